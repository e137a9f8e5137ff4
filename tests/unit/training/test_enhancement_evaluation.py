"""``packshot-eval restore`` and ``upscale``: measured on networks whose answer is known."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from packshot.models.restoration import RestoreNet
from packshot.models.upscaling import UpscaleNet, UpscaleNetConfig
from packshot.models.weights import save_weights
from packshot.training.enhancement.fidelity import psnr
from packshot.training.evaluation import cli
from packshot.training.evaluation.opencv_tools import OPENCV_TOOLS

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    coarse = np.random.default_rng(0).integers(30, 226, (22, 9, 12, 3), dtype=np.uint8)
    for number, picture in enumerate(coarse):
        large = cv2.resize(picture, (96, 72), interpolation=cv2.INTER_CUBIC)
        seller = number < 20
        folder = root / ("seller_photos" if seller else "set5")
        folder.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f"{number}.{'jpg' if seller else 'png'}"), large)
    return root


@pytest.fixture(autouse=True)
def cheap_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a network costs is not what is tested here."""
    for module in ("restoration", "upscaling"):
        monkeypatch.setattr(f"packshot.training.evaluation.{module}._COST_SIDE", 16)


def report(arguments: list[str], out: Path) -> dict[str, Any]:
    result = RUNNER.invoke(cli.app, [*arguments, "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert (out / "report.txt").read_text()
    assert (out / "samples.png").is_file()
    numbers: dict[str, Any] = json.loads((out / "report.json").read_text())
    assert all(len(digest) == 64 for digest in numbers["weights"].values())
    return dict(numbers["evaluation"])


def test_a_network_that_changes_nothing_gains_nothing(photos: Path, tmp_path: Path) -> None:
    weights = tmp_path / "restore.safetensors"
    save_weights(RestoreNet(), weights, metadata={})
    arguments = ["restore", "--data", str(photos), "--weights", str(weights), "--threads", "1"]
    found = report([*arguments, "--resamples", "20"], tmp_path / "out")
    assert len(found["photos"]) == 2
    summary = found["summary"]
    for measure in ("psnr", "ssim", "delta_e"):
        assert summary[f"{measure} gain"]["value"] == 0.0
        assert summary[f"{measure} spoilt"] == summary[f"{measure} restored"]
    assert found["clean"]["value"] == 100.0
    assert found["improved"] == 0.0
    groups = {group["group"]: group for group in found["groups"]}
    assert all(
        group["delta_e_before"] == pytest.approx(group["delta_e_after"]["value"])
        for group in groups.values()
    )
    best = [photo["best_tool"]["psnr"] for photo in found["photos"]]
    assert summary["psnr best tool"]["value"] == pytest.approx(np.mean(best))
    assert summary["psnr gain over best tool"]["value"] == pytest.approx(
        np.mean([photo["spoilt"]["psnr"] for photo in found["photos"]]) - np.mean(best)
    )


def test_upscaling_is_compared_with_bicubic(photos: Path, tmp_path: Path) -> None:
    arguments = ["upscale", "--data", str(photos), "--threads", "1", "--resamples", "20"]
    for scale in (2, 4):
        path = tmp_path / f"bilinear_x{scale}.safetensors"
        save_weights(
            UpscaleNet(UpscaleNetConfig(scale=scale)), path, metadata={"scale": f"{scale}"}
        )
        arguments += ["--weights", str(path)]
    results = report(arguments, tmp_path / "out")["results"]
    keys = {(r["scale"], r["pictures"], r["small"], r["method"]) for r in results}
    for scale in (2, 4):
        for pictures in ("Set5", "seller_photos"):
            for small in ("bicubic", "photo"):
                for method in ("bicubic", f"bilinear_x{scale}"):
                    assert (scale, pictures, small, method) in keys
    assert len(keys) == len(results) == 16
    by_key = {(r["scale"], r["pictures"], r["small"], r["method"]): r for r in results}
    plain = by_key[2, "Set5", "bicubic", "bicubic"]
    ours = by_key[2, "Set5", "bicubic", "bilinear_x2"]
    assert plain["gain"]["value"] == 0.0
    # Bilinear enlargement, which is what an untrained network does, is worse than bicubic.
    assert ours["gain"]["value"] < -0.1
    assert ours["psnr"]["value"] - plain["psnr"]["value"] == pytest.approx(ours["gain"]["value"])


def test_a_folder_without_set5_or_photos_is_refused(tmp_path: Path) -> None:
    weights = tmp_path / "x2.safetensors"
    save_weights(UpscaleNet(), weights, metadata={"scale": "2"})
    arguments = ["upscale", "--data", str(tmp_path / "empty"), "--weights", str(weights)]
    result = RUNNER.invoke(cli.app, arguments)
    assert "no test pictures below" in str(result.exception)


@pytest.mark.parametrize(
    ("tool", "fault"),
    [("non-local means", "noise"), ("bilateral", "noise"), ("unsharp mask", "blur")],
)
def test_opencv_tools_mend_what_they_are_for(tool: str, fault: str) -> None:
    coarse = np.random.default_rng(2).integers(0, 2, (6, 6, 1), dtype=np.uint8) * 120 + 60
    clean = np.repeat(
        cv2.resize(coarse, (96, 96), interpolation=cv2.INTER_NEAREST)[..., None], 3, 2
    )
    rng = np.random.default_rng(3)
    if fault == "noise":
        spoilt = np.clip(clean + rng.normal(0, 8, clean.shape), 0, 255).astype(np.uint8)
    else:
        spoilt = cv2.GaussianBlur(clean, (0, 0), 1.5)
    gains = [
        psnr(candidate.apply(spoilt), clean) - psnr(spoilt, clean)
        for candidate in OPENCV_TOOLS
        if candidate.name == tool
    ]
    assert max(gains) > 0.5
