"""Plots: written where matplotlib is, refused with a way out where it is not."""

import builtins
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from packshot.contracts import LEARNED_ATTRIBUTES
from packshot.errors import TrainingError
from packshot.training.degradations import FAULTS
from packshot.training.evaluation.calibration import calibration
from packshot.training.evaluation.fault_responses import SEVERITIES, summarize
from packshot.training.evaluation.plots import (
    plot_attribute_curves,
    plot_calibration,
    plot_confusion,
    plot_scatter,
)
from packshot.training.feedback.labels import Labels
from packshot.training.plotting import new_figure
from packshot.training.quality.curves import plot_training, read_log

LOG = "epoch,seconds,srcc,plcc,mos,bounds\n0,9.1,nan,0.5,0.2,0.01\n1,9.0,0.6,0.7,0.1,0.005\n"


def is_picture(path: Path) -> bool:
    picture = cv2.imread(str(path))
    return picture is not None and min(picture.shape[:2]) > 200 and picture.std() > 5


def test_training_curves_are_drawn_from_the_log(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    assert read_log(tmp_path / "log.csv")["mos"] == [0.2, 0.1]
    plot_training(tmp_path / "log.csv", tmp_path / "curves.png")
    assert is_picture(tmp_path / "curves.png")


@pytest.mark.parametrize("text", ["", "epoch,srcc\n", "a,b\n1,2\n"])
def test_a_log_without_epochs_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(TrainingError, match="holds no finished epoch"):
        plot_training(tmp_path / "log.csv", tmp_path / "curves.png")
    with pytest.raises(TrainingError, match="no training log"):
        read_log(tmp_path / "gone.csv")


@pytest.mark.parametrize(
    "labels",
    [
        Labels(
            kind="scores", photos=(Path(),) * 3, targets=(0.1, 0.5, 0.9), subsets=("a", "b", "a")
        ),
        Labels(kind="grades", photos=(Path(),) * 3, targets=(0.0, 2.0, 2.0)),
        Labels(kind="pairs", photos=(Path(),) * 3, pairs=((0, 1), (1, 2))),
    ],
    ids=lambda labels: labels.kind,
)
def test_scatter_of_each_kind_of_labels(labels: Labels, tmp_path: Path) -> None:
    plot_scatter(labels, np.array([20.0, 40.0, 80.0]), tmp_path / "new" / "scatter.png")
    assert is_picture(tmp_path / "new" / "scatter.png")


def test_faults_and_calibration_are_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    levels = len(SEVERITIES) + 1
    responses = [
        summarize(
            fault, rng.random((3, levels)) * 100, rng.random((3, levels, len(LEARNED_ATTRIBUTES)))
        )
        for fault in FAULTS
    ]
    plot_attribute_curves(responses, tmp_path / "curves.png")
    plot_confusion(responses, tmp_path / "confusion.png")
    found = calibration(rng.random(20) * 100, rng.random(20) * 10, rng.random(20) * 100)
    plot_calibration(found, tmp_path / "calibration.png")
    for name in ("curves", "confusion", "calibration"):
        assert is_picture(tmp_path / f"{name}.png")


def test_a_missing_matplotlib_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_matplotlib(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(
        TrainingError, match=r"plots need matplotlib.*pip install 'packshot\[eval\]'"
    ):
        new_figure(width=1, height=1)
