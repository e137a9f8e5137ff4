"""Training the enhancement networks: it learns, resumes to the same result, and says what lacks."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch.utils.data import Dataset
from typer.testing import CliRunner

from packshot.errors import TrainingError, WeightsError
from packshot.models.efficientnet_lite import EfficientNetLite0
from packshot.models.restoration import RestoreNet, RestoreNetConfig
from packshot.models.upscaling import UpscaleNet, UpscaleNetConfig
from packshot.models.weights import (
    load_quality_net,
    load_restore_net,
    load_upscale_net,
    save_weights,
    weights_metadata,
)
from packshot.training import cli
from packshot.training.enhancement.capture import PhotoCapture
from packshot.training.enhancement.drawings import draw_print
from packshot.training.enhancement.fault_chains import (
    SELLER_FAULTS,
    THUMBNAIL_FAULTS,
    FaultChain,
    draw_chain,
)
from packshot.training.enhancement.losses import (
    cautious_log_error,
    charbonnier,
    structural_dissimilarity,
)
from packshot.training.enhancement.perceptual import FeatureDistance
from packshot.training.enhancement.restoration import (
    detail_losses,
    restore_trainer,
    restored,
    toned,
)
from packshot.training.enhancement.restore_recipes import RestoreRecipe
from packshot.training.enhancement.spoilt_photos import SpoiltPhotos
from packshot.training.enhancement.trainer import Pictures, TrainingPlan
from packshot.training.enhancement.upscaling import PatchPairs, UpscaleRecipe, upscale_trainer

RUNNER = CliRunner()
QUALITY_WEIGHTS = Path(__file__).parents[3] / "weights" / "quality.safetensors"
PLAN = TrainingPlan(steps=6, rate=1e-3, warmup_steps=1, batch=2, validate_every=3)
UPSCALE = UpscaleRecipe(
    name="test", network=UpscaleNetConfig(width=8, blocks=1), plan=PLAN, patch=16
)
RESTORE = RestoreRecipe(
    name="test", network=RestoreNetConfig(width=8, inner_blocks=1), plan=PLAN, patch=32
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Batches this small gain nothing from more, and lose much where cores are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class SessionEndedError(Exception):
    """Stands for a session that was ended."""


def trained(data_folder: Path, run: Path, *, stop_after: int | None = None) -> torch.nn.Module:
    torch.manual_seed(0)
    trainer = upscale_trainer(
        UPSCALE, data=data_folder, network=UpscaleNet(UPSCALE.network), run_folder=run
    )

    def report(step: int, _: dict[str, float]) -> None:
        if step == stop_after:
            raise SessionEndedError

    return trainer.fit(report)


@pytest.mark.parametrize("stop_after", [2, 4])
def test_interrupted_training_resumes_to_the_same_result(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    monkeypatch.setattr("packshot.training.enhancement.trainer.CHECKPOINT_EVERY_STEPS", 1)
    unbroken = trained(data_folder, tmp_path / "unbroken")
    with pytest.raises(SessionEndedError):
        trained(data_folder, tmp_path / "broken", stop_after=stop_after)
    resumed = trained(data_folder, tmp_path / "broken")
    torch.testing.assert_close(resumed.state_dict(), unbroken.state_dict(), rtol=0, atol=0)
    log = (tmp_path / "broken" / "log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in log] == ["step", "3", "6"]
    assert json.loads((tmp_path / "broken" / "recipe.json").read_text())["name"] == "test"
    assert sorted(p.name for p in (tmp_path / "broken" / "samples").iterdir()) == [
        "000003.png",
        "000006.png",
    ]


def test_a_run_goes_on_by_its_own_recipe_only(data_folder: Path, tmp_path: Path) -> None:
    trained(data_folder, tmp_path)
    longer = dataclasses.replace(UPSCALE, plan=dataclasses.replace(PLAN, steps=PLAN.steps + 1))
    trainer = upscale_trainer(
        longer, data=data_folder, network=UpscaleNet(longer.network), run_folder=tmp_path
    )
    with pytest.raises(TrainingError, match=r"recipe 'test'.* they differ in plan\."):
        trainer.fit()


class DarkenedBatches(Dataset[Pictures]):
    """Windows or thumbnails that lack a third of their light, which toning gave none of back."""

    def __init__(self, *, windows: bool) -> None:
        self.windows = windows

    def __getitem__(self, index: int) -> Pictures:
        generator = torch.Generator().manual_seed(index)
        side = 32 if self.windows else 224
        clean = torch.randint(60, 256, (2, side, side, 3), generator=generator).to(torch.uint8)
        dark = (clean.int() * 2 // 3).to(torch.uint8)
        return (dark, dark, clean) if self.windows else (dark, clean)


@pytest.mark.parametrize("tone_only", [True, False])
def test_restoration_learns_to_brighten(data_folder: Path, tmp_path: Path, tone_only: bool) -> None:
    """Each branch by itself; the detail branch leaves the tone branch alone."""
    plan = dataclasses.replace(PLAN, steps=30, rate=3e-3, validate_every=30)
    recipe = dataclasses.replace(RESTORE, tone_only=tone_only, plan=plan)
    torch.manual_seed(0)
    trainer = restore_trainer(
        recipe, data=data_folder, network=RestoreNet(recipe.network), run_folder=tmp_path
    )
    trainer.batches = DarkenedBatches(windows=not tone_only)
    means: list[float] = []
    trainer.fit(lambda _, losses: means.append(sum(losses.values())))
    # The last report is the mean over all steps; the last step itself lies far below it.
    first, last = means[0], means[-1] * 30 - means[-2] * 29
    assert last < 0.5 * first


@pytest.mark.parametrize("capture", [None, PhotoCapture()])
def test_patch_pairs_depend_on_their_index_only(
    data_folder: Path, capture: PhotoCapture | None
) -> None:
    recipe = dataclasses.replace(UPSCALE, capture=capture)
    pairs, again = PatchPairs(recipe, data_folder), PatchPairs(recipe, data_folder)
    again[3]
    small, large = pairs[5]
    torch.testing.assert_close((small, large), again[5])
    assert small.shape == (2, 16, 16, 3)
    assert large.shape == (2, 32, 32, 3)
    assert not torch.equal(small, pairs[4][0])


def test_spoilt_windows_belong_to_their_targets(data_folder: Path) -> None:
    batches = SpoiltPhotos(dataclasses.replace(RESTORE, clean=1.0), data_folder)
    spoilt, given, wanted = batches[0]
    assert spoilt.shape == (2, 32, 32, 3)
    # Nothing to mend, whatever the tone.
    assert torch.equal(given, wanted)
    batches = SpoiltPhotos(dataclasses.replace(RESTORE, clean=0.0), data_folder)
    _, given, wanted = batches[0]
    assert not torch.equal(given, wanted)
    assert float((given.float() - wanted.float()).abs().mean()) < 30


def test_drawn_prints_take_the_place_of_photos(data_folder: Path) -> None:
    recipe = dataclasses.replace(RESTORE, drawn=1.0, clean=1.0)
    spoilt, _, _ = SpoiltPhotos(recipe, data_folder)[0]
    photo, _, _ = SpoiltPhotos(dataclasses.replace(recipe, drawn=0.0), data_folder)[0]
    assert spoilt.shape == photo.shape
    assert not torch.equal(spoilt, photo)


@pytest.mark.parametrize("seed", range(6))
def test_prints_have_edges_and_depend_on_their_seed_only(seed: int) -> None:
    picture = draw_print(64, np.random.default_rng(seed))
    assert (picture.shape, picture.dtype) == ((64, 64, 3), np.uint8)
    np.testing.assert_array_equal(picture, draw_print(64, np.random.default_rng(seed)))
    assert np.abs(np.diff(picture.astype(int), axis=1)).max() > 10


def test_thumbnails_belong_to_their_targets(data_folder: Path) -> None:
    recipe = dataclasses.replace(RESTORE, tone_only=True, clean=1.0)
    spoilt, clean = SpoiltPhotos(recipe, data_folder)[0]
    assert spoilt.shape == (2, 224, 224, 3)
    assert torch.equal(spoilt, clean)


def test_thumbnails_are_seen_in_part_and_with_what_shrinking_leaves(data_folder: Path) -> None:
    recipe = dataclasses.replace(RESTORE, tone_only=True, clean=0.0)
    batches = SpoiltPhotos(recipe, data_folder)
    known = np.stack([picture for source in batches.thumbnails for picture in source])
    spoilt, clean = batches[0]
    assert not torch.equal(spoilt, clean)
    torch.testing.assert_close((spoilt, clean), SpoiltPhotos(recipe, data_folder)[0])
    for picture in clean.numpy():
        assert np.abs(known.astype(int) - picture).mean(axis=(1, 2, 3)).min() > 0.5
    worn = {name for group in THUMBNAIL_FAULTS for name, _, _ in group.faults}
    assert {"under_exposure", "colour_cast", "gaussian_noise", "jpeg_compression"} <= worn
    assert THUMBNAIL_FAULTS[:3] == tuple(group for group in SELLER_FAULTS if group.tonal)


def test_taking_a_photo_farther_away_costs_more_than_leaving_it() -> None:
    def error(x: float, before: float, caution: float) -> float:
        pictures = (torch.full((1, 3, 4, 4), value) for value in (x, before, 0.5))
        return cautious_log_error(*pictures, floor=40.0, caution=caution).item()

    assert error(0.5, 0.5, 1.0) == 0.0
    assert error(0.6, 0.7, 1.0) == error(0.6, 0.7, 0.0) > 0.0
    left = error(0.6, 0.6, 1.0)
    assert error(0.7, 0.6, 1.0) - left == pytest.approx(2 * (error(0.7, 0.6, 0.0) - left))
    # Of two errors the ratio counts, where both are far above the floor.
    nearer = error(0.9, 0.9, 0.0) - error(0.7, 0.7, 0.0)
    assert nearer == pytest.approx(np.log(4), abs=0.05)


def test_windows_ask_nothing_of_detail_where_only_tone_is_wrong(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the largest error of a window would be one that no window tells anything about."""
    tonal = tuple(group for group in SELLER_FAULTS if group.tonal)

    def draw(rng: np.random.Generator, *, minimum: int) -> FaultChain:
        return draw_chain(rng, minimum=minimum, groups=tonal)

    monkeypatch.setattr("packshot.training.enhancement.spoilt_photos.draw_chain", draw)
    spoilt, given, wanted = SpoiltPhotos(dataclasses.replace(RESTORE, clean=0.0), data_folder)[0]
    assert not torch.equal(spoilt, given)
    assert torch.equal(given, wanted)


def test_an_untrained_network_loses_what_is_left_after_toning(data_folder: Path) -> None:
    batch = SpoiltPhotos(RESTORE, data_folder)[0]
    floats = tuple(part.permute(0, 3, 1, 2).float() / 255.0 for part in batch)
    recipe = dataclasses.replace(RESTORE, perceptual_weight=0.1)
    features = FeatureDistance(EfficientNetLite0())
    losses = detail_losses(recipe, features)(RestoreNet(RESTORE.network), floats)
    assert losses["picture"].item() == pytest.approx(charbonnier(*floats[1:]).item())
    assert losses["features"].item() == pytest.approx(0.1 * features(*floats[1:]).item())
    assert set(detail_losses(RESTORE, None)(RestoreNet(RESTORE.network), floats)) == {
        "picture",
        "similarity",
    }


def test_a_perceptual_recipe_needs_a_quality_network(data_folder: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RESTORE, perceptual_weight=0.1)
    network = RestoreNet(recipe.network)
    with pytest.raises(ValueError, match="needs the backbone"):
        restore_trainer(recipe, data=data_folder, network=network, run_folder=tmp_path)


def test_losses_are_least_for_equal_pictures() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 3, 24, 24)
    noisy = x + 0.1 * torch.randn_like(x)
    features = FeatureDistance(EfficientNetLite0())
    for loss in (charbonnier, structural_dissimilarity, features):
        assert loss(x, x).item() == pytest.approx(0.0, abs=1.1e-3)
        assert loss(noisy, x).item() > 0.02


def test_dissimilarity_is_that_of_scikit_image() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 1, 40, 33).repeat(1, 3, 1, 1)
    y = (x + 0.2 * torch.rand(1, 1, 40, 33)).clamp(0, 1)
    expected = structural_similarity(
        x[0, 0].double().numpy(), y[0, 0].double().numpy(), data_range=1.0,
        win_size=7, use_sample_covariance=False,
    )  # fmt: skip
    assert structural_dissimilarity(x, y).item() == pytest.approx(1.0 - expected, abs=1e-5)


def test_the_quality_network_sees_a_blur_that_pixels_hardly_show() -> None:
    """Of two errors of one size in pixels, smoothing weighs more than a shift of light."""
    features = FeatureDistance(load_quality_net(QUALITY_WEIGHTS).backbone)
    x = torch.nn.functional.interpolate(
        torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0)), scale_factor=4
    )
    blurred = torch.nn.functional.avg_pool2d(x, 3, 1, 1).requires_grad_()
    brighter = x + (blurred - x).detach().abs().mean()
    distance = features(blurred, x)
    assert distance.item() > 1.5 * features(brighter, x).item()
    distance.backward()
    assert blurred.grad is not None
    assert blurred.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in features.parameters())


def test_toning_sees_one_picture_and_changes_another() -> None:
    network = RestoreNet(RESTORE.network).eval()
    torch.nn.init.normal_(network.tone.change.weight, std=0.02)
    device = torch.device("cpu")
    seen, other = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    assert not np.array_equal(toned(network, seen, device), seen)
    np.testing.assert_array_equal(
        toned(network, seen, device, seen_hwc_u8=seen), toned(network, seen, device)
    )
    assert not np.array_equal(
        toned(network, seen, device, seen_hwc_u8=other // 4), toned(network, seen, device)
    )


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 3), (37, 50)])
def test_pictures_of_any_size_are_restored_at_their_size(height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    output = restored(RestoreNet(RESTORE.network).eval(), image, torch.device("cpu"))
    np.testing.assert_array_equal(output, image)


@pytest.fixture(scope="module")
def large_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty photos of each source, as few as labels may be, large enough for the windows."""
    root = tmp_path_factory.mktemp("large")
    coarse = np.random.default_rng(0).integers(0, 256, (20, 9, 12, 3), dtype=np.uint8)
    folders = ("bsds", "studio", "seller_photos", "biq2021/images")
    for folder in map(root.joinpath, folders):
        folder.mkdir(parents=True)
        for number, picture in enumerate(coarse):
            image = cv2.resize(picture, (400, 320), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / f"ss03_{number}.jpg"), image)
    labels = "".join(f"ss03_{number}.jpg,{0.9 - number / 100}\n" for number in range(20))
    (root / "biq2021" / "mos.csv").write_text("file,mos\n" + labels)
    return root


def test_the_commands_train_and_start_from_each_other(large_photos: Path, tmp_path: Path) -> None:
    def run(network: str, recipe: str, init: Path | None = None) -> Path:
        folder = tmp_path / recipe
        start = ["--init", str(init)] if init else []
        options = ["--data", str(large_photos), "--run", str(folder), "--steps", "1", *start]
        if network == "restore":
            options += ["--quality-weights", str(QUALITY_WEIGHTS)]
        arguments = [network, "--recipe", recipe, "--threads", "1", *options]
        result = RUNNER.invoke(cli.app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return folder / f"{network}.safetensors"

    tone = run("restore", "tone")
    both = load_restore_net(run("restore", "default", init=tone))
    assert both.detail.tail.weight.any()
    doubled = run("upscale", "bicubic-x2")
    quadrupled = run("upscale", "photo-x4", init=doubled)
    assert load_upscale_net(quadrupled).config.scale == 4
    assert weights_metadata(quadrupled)["recipe"] == "photo-x4"


def test_unknown_recipes_are_refused(data_folder: Path) -> None:
    for network in ("restore", "upscale"):
        arguments = [network, "--data", str(data_folder), "--recipe", "magic"]
        result = RUNNER.invoke(cli.app, arguments)
        assert result.exit_code == 2
        assert "magic" in result.output


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "upscale.safetensors"
    save_weights(UpscaleNet(), path, metadata={"scale": "2"})
    assert load_upscale_net(path).config.scale == 2
    with pytest.raises(WeightsError, match="does not fit RestoreNet"):
        load_restore_net(path)
    save_weights(UpscaleNet(), path, metadata={"scale": "3"})
    with pytest.raises(WeightsError, match="expected the scale 2 or 4"):
        load_upscale_net(path)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"rate": 0.0}, {"ema_decay": 1.0}])
def test_plans_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got"):
        dataclasses.replace(PLAN, **wrong)
