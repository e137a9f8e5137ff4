"""The restoration network: the identity at first, one tone for all tiles, its sizes."""

import pytest
import torch

from packshot.models.restoration import (
    SIDE_MULTIPLE,
    TONE_TERMS,
    RestoreNet,
    RestoreNetConfig,
    apply_tone,
)


def picture(height: int, width: int, batch: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, height, width, 3), dtype=torch.uint8, generator=generator)


@pytest.fixture
def woken() -> RestoreNet:
    """With last layers that do something: fresh ones are the identity on purpose."""
    torch.manual_seed(1)
    network = RestoreNet()
    for layer in (network.tone.change, network.detail.tail):
        torch.nn.init.normal_(layer.weight, std=0.02)
    return network.eval()


@pytest.mark.parametrize(("height", "width"), [(4, 4), (12, 40), (64, 36)])
def test_an_untrained_network_changes_nothing(height: int, width: int) -> None:
    source = picture(height, width, batch=2)
    with torch.inference_mode():
        output = RestoreNet()(source, picture(224, 224, batch=2))
    assert torch.equal(output, source)


def test_a_photo_is_restored_alike_alone_and_in_a_batch(woken: RestoreNet) -> None:
    source, thumbnail = picture(32, 40, batch=3), picture(224, 224, batch=3)
    with torch.inference_mode():
        together = woken(source, thumbnail)
        alone = woken(source[1:2], thumbnail[1:2])
    assert int((together[1:2].int() - alone.int()).abs().max()) <= 1


def test_the_thumbnail_sets_the_tone(woken: RestoreNet) -> None:
    source = picture(32, 32)
    dark, bright = (torch.full((1, 224, 224, 3), value, dtype=torch.uint8) for value in (20, 235))
    with torch.inference_mode():
        assert not torch.equal(woken(source, dark), woken(source, bright))


def test_tiles_with_overlap_agree_with_the_whole(woken: RestoreNet) -> None:
    """With 64 pixels of margin a tile's inside is that of the whole picture."""
    source, thumbnail = picture(192, 32), picture(224, 224)
    with torch.inference_mode():
        whole = woken(source, thumbnail)
        tile = woken(source[:, :128], thumbnail)
    assert int((whole[:, :64].int() - tile[:, :64].int()).abs().max()) <= 1


def test_tone_is_a_mix_of_channels_squares_and_a_constant() -> None:
    x = torch.rand(2, 3, 4, 5) * 0.5
    matrix = torch.zeros(2, 3, TONE_TERMS)
    matrix[:, 0, 1] = 1.0  # red takes green,
    matrix[:, 1, 4] = 2.0  # green takes twice its own square,
    matrix[:, 2, 6] = 0.25  # blue a constant
    toned = apply_tone(x, matrix)
    torch.testing.assert_close(toned[:, 0], x[:, 1])
    torch.testing.assert_close(toned[:, 1], 2.0 * x[:, 1].square())
    torch.testing.assert_close(toned[:, 2], torch.full_like(x[:, 2], 0.25))


def test_histograms_see_a_shift_and_not_the_order(woken: RestoreNet) -> None:
    thumbnail = picture(56, 56).permute(0, 3, 1, 2).float() / 255.0
    histograms = woken.tone.histograms(thumbnail)
    torch.testing.assert_close(woken.tone.histograms(thumbnail.flip(2)), histograms)
    assert not torch.allclose(woken.tone.histograms(thumbnail * 0.8), histograms, atol=1e-2)


def test_places_are_described_by_mean_spread_and_extremes(woken: RestoreNet) -> None:
    thumbnail = torch.full((1, 3, 224, 224), 0.5)
    thumbnail[:, 0, 40, 70] = 1.0  # in the place of row 1, column 2
    thumbnail[:, 1, :32, :16] = 0.25  # half of the first place
    small = torch.nn.functional.avg_pool2d(thumbnail, 4)
    mean, spread, top, bottom, finest_top, finest_bottom = woken.tone.place_colours(
        thumbnail, small
    ).chunk(6, dim=1)
    assert finest_top[0, 0].argmax().item() == 1 * 7 + 2
    assert finest_top[0, 0, 1, 2] == 1.0
    torch.testing.assert_close(top[0, 0, 1, 2], torch.tensor(0.5 + 0.5 / 16))
    assert finest_bottom[0, 1, 0, 0] == bottom[0, 1, 0, 0] == 0.25
    torch.testing.assert_close(mean[0, 1, 0, 0], torch.tensor(0.375))
    torch.testing.assert_close(spread[0, 1, 0, 0], torch.tensor(0.5))
    assert not spread[0, 2].any()


def test_ends_are_the_extremes_of_the_whole_frame(woken: RestoreNet) -> None:
    thumbnail = picture(224, 224).permute(0, 3, 1, 2).float() / 255.0
    small = torch.nn.functional.avg_pool2d(thumbnail, 4)
    ends = woken.tone.ends(woken.tone.place_colours(thumbnail, small), small).reshape(1, 8, 3)
    torch.testing.assert_close(ends[:, 0], thumbnail.amax(dim=(2, 3)))
    torch.testing.assert_close(ends[:, 1], thumbnail.amin(dim=(2, 3)))
    torch.testing.assert_close(ends[:, 2], small.amax(dim=(2, 3)))
    brightest, darkest = ends[:, 2::2], ends[:, 3::2]
    assert (brightest.diff(dim=1) <= 0).all(), "averaging takes the extremes away"
    assert (darkest.diff(dim=1) >= 0).all()


def test_where_a_place_lies_does_not_matter(woken: RestoreNet) -> None:
    colours = torch.rand(2, 18, 7, 7)
    torch.testing.assert_close(
        woken.tone.weighed_places(colours.flip(3)), woken.tone.weighed_places(colours)
    )


def test_half_precision_agrees(woken: RestoreNet) -> None:
    source, thumbnail = picture(32, 32), picture(224, 224)
    with torch.inference_mode():
        full = woken(source, thumbnail).int()
        half = woken.half()(source, thumbnail).int()
    assert int((full - half).abs().max()) <= 3


def test_sides_of_another_multiple_are_refused() -> None:
    with pytest.raises(RuntimeError), torch.inference_mode():
        RestoreNet()(picture(SIDE_MULTIPLE + 1, 8), picture(224, 224))


@pytest.mark.parametrize(
    "wrong", [{"width": 0}, {"inner_blocks": -1}, {"tone_hidden": 0}, {"tone_places": 12}]
)
def test_configuration_is_checked(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="got"):
        RestoreNetConfig(**wrong)
