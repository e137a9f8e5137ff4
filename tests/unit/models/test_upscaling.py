"""The upscaling network: sizes, budget, and where it starts from."""

import pytest
import torch
from torch.nn import functional as F

from packshot.contracts import SCALES
from packshot.models.upscaling import UpscaleNet, UpscaleNetConfig


def picture(height: int, width: int, batch: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, height, width, 3), dtype=torch.uint8, generator=generator)


def woken(network: UpscaleNet) -> UpscaleNet:
    """With a tail that does something: a fresh one is the identity on purpose."""
    torch.manual_seed(1)
    torch.nn.init.normal_(network.tail.weight, std=0.02)
    return network.eval()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 3), (17, 30)])
def test_any_size_grows_by_the_scale(scale: int, height: int, width: int) -> None:
    network = woken(UpscaleNet(UpscaleNetConfig(scale=scale)))
    with torch.inference_mode():
        output = network(picture(height, width, batch=2))
    assert output.shape == (2, height * scale, width * scale, 3)
    assert output.dtype == torch.uint8


@pytest.mark.parametrize("scale", SCALES)
def test_an_untrained_network_enlarges_bilinearly(scale: int) -> None:
    source = picture(9, 12)
    with torch.inference_mode():
        output = UpscaleNet(UpscaleNetConfig(scale=scale))(source)
    enlarged = F.interpolate(
        source.permute(0, 3, 1, 2).float(), scale_factor=scale, mode="bilinear"
    )
    assert int((output.permute(0, 3, 1, 2).float() - enlarged).abs().max()) <= 1


@pytest.mark.parametrize("value", [0, 255])
def test_black_and_white_stay(value: int) -> None:
    with torch.inference_mode():
        output = UpscaleNet()(torch.full((1, 8, 8, 3), value, dtype=torch.uint8))
    assert bool((output == value).all())


def test_half_precision_stays_half_inside_and_agrees() -> None:
    network, source = woken(UpscaleNet()), picture(24, 24)
    with torch.inference_mode():
        full = network(source).int()
        half = network.half()(source).int()
    assert int((full - half).abs().max()) <= 2


def test_tiles_with_overlap_agree_with_the_whole() -> None:
    """The receptive field is 13 pixels to each side: a tile with that margin loses nothing."""
    network, source = woken(UpscaleNet()), picture(60, 60)
    with torch.inference_mode():
        whole = network(source)
        tile = network(source[:, :44])
    assert int((whole[:, :60].int() - tile[:, :60].int()).abs().max()) <= 1


def test_a_network_starts_from_another_scale() -> None:
    small, large = woken(UpscaleNet()), UpscaleNet(UpscaleNetConfig(scale=4))
    large.start_from(small)
    torch.testing.assert_close(large.blocks.state_dict(), small.blocks.state_dict())
    assert not large.tail.weight.any()
    same = UpscaleNet()
    same.start_from(small)
    torch.testing.assert_close(same.state_dict(), small.state_dict())
    with pytest.raises(ValueError, match="cannot start"):
        UpscaleNet(UpscaleNetConfig(width=8)).start_from(small)


@pytest.mark.parametrize("scale", SCALES)
def test_budget(scale: int) -> None:
    """Issue 7's budget: at most 700 K parameters."""
    network = UpscaleNet(UpscaleNetConfig(scale=scale))
    assert sum(parameter.numel() for parameter in network.parameters()) <= 700_000


@pytest.mark.parametrize("wrong", [{"scale": 3}, {"width": 0}, {"blocks": 0}])
def test_configuration_is_checked(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="got"):
        UpscaleNetConfig(**wrong)
