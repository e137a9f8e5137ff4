"""The course of a training, drawn from its ``log.csv``."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from packshot.errors import TrainingError
from packshot.training.plotting import new_figure, save_figure

_VALIDATION = ("srcc", "plcc")
_NOT_DRAWN = ("epoch", "seconds")


def read_log(path: Path) -> dict[str, list[float]]:
    """The columns of a ``log.csv``; a cell that holds no number becomes NaN.

    Raises:
        TrainingError: No such file, no finished epoch in it, or no column ``epoch``.
    """
    if not path.is_file():
        raise TrainingError(f"no training log at {path}; the first epoch writes it")
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    if not rows or "epoch" not in rows[0]:
        raise TrainingError(
            f"{path} holds no finished epoch, expected rows under the header epoch,seconds,srcc,..."
        )
    return {name: [_number(row[name]) for row in rows] for name in rows[0]}


def plot_training(log: Path, picture: Path) -> None:
    """Draw ``log.csv``: agreement with people on the left, losses on the right.

    Raises:
        TrainingError: See ``read_log``; or matplotlib is missing.
    """
    columns = read_log(log)
    epochs = [epoch + 1 for epoch in columns["epoch"]]
    figure = new_figure(width=10, height=4)
    agreement, losses = figure.subplots(1, 2)
    for name in _VALIDATION:
        if name in columns:
            agreement.plot(epochs, columns[name], marker="o", label=name.upper())
    agreement.set(xlabel="epoch", title="Validation: agreement with people")
    for name, values in columns.items():
        if name not in (*_VALIDATION, *_NOT_DRAWN):
            losses.plot(epochs, values, marker="o", label=name)
    losses.set(xlabel="epoch", title="Training losses, weighted", yscale="log")
    for axes in (agreement, losses):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    save_figure(figure, picture)


def _number(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        return math.nan
