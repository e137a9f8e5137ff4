"""The plots of ``packshot-eval --out``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from packshot.contracts import LEARNED_ATTRIBUTES
from packshot.training.evaluation.calibration import Calibration
from packshot.training.evaluation.fault_responses import MEDIUM_SEVERITY, SEVERITIES, FaultResponse
from packshot.training.feedback.labels import GRADES, Labels
from packshot.training.metrics import FloatArray
from packshot.training.plotting import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CURVE_COLUMNS = 5


def plot_scatter(labels: Labels, scores: FloatArray, path: Path) -> None:
    """Predicted scores against what people said.

    Scores: a point a photo, by subset. Grades: a box a grade. Pairs: how far the photo people
    preferred leads.
    """
    figure = new_figure(width=6, height=6)
    if labels.kind == "scores":
        _score_points(figure, labels, scores)
    elif labels.kind == "grades":
        axes = figure.subplots()
        targets = np.array(labels.targets)
        present = [index for index in range(len(GRADES)) if (targets == index).any()]
        axes.boxplot([scores[targets == index] for index in present])
        axes.set_xticks(range(1, len(present) + 1), [GRADES[index] for index in present])
        axes.set(xlabel="grade given by people", ylabel="predicted score")
    else:
        axes = figure.subplots()
        better, worse = np.array(labels.pairs).T
        axes.hist(scores[better] - scores[worse], bins=30)
        axes.axvline(0.0, color="black", linewidth=1)
        axes.set(xlabel="lead of the photo people preferred, points", ylabel="pairs")
    save_figure(figure, path)


def _score_points(figure: Figure, labels: Labels, scores: FloatArray) -> None:
    axes = figure.subplots()
    human = np.array(labels.targets) * 100.0
    subsets = np.array(labels.subsets or ("photos",) * len(scores))
    for subset in np.unique(subsets):
        where = subsets == subset
        axes.scatter(human[where], scores[where], s=10, alpha=0.6, label=str(subset))
    axes.plot([0, 100], [0, 100], color="black", linewidth=1)
    axes.set(
        xlim=(0, 100),
        ylim=(0, 100),
        aspect="equal",
        xlabel="mean opinion score of people",
        ylabel="predicted score",
    )
    axes.legend()


def plot_attribute_curves(responses: list[FaultResponse], path: Path) -> None:
    """One small panel a fault: its own attribute (with spread) and the score, by severity."""
    rows = math.ceil(len(responses) / _CURVE_COLUMNS)
    figure = new_figure(width=2.4 * _CURVE_COLUMNS, height=2.2 * rows)
    panels = figure.subplots(rows, _CURVE_COLUMNS, squeeze=False, sharex=True, sharey=True)
    for panel in panels.flat[len(responses) :]:
        panel.set_visible(False)
    for panel, response in zip(panels.flat, responses, strict=False):
        curve, spread = np.array(response.curve), np.array(response.curve_spread)
        panel.fill_between(SEVERITIES, curve - spread, curve + spread, alpha=0.2)
        panel.plot(SEVERITIES, curve, marker=".", label="own attribute")
        panel.plot(
            SEVERITIES, np.array(response.score_curve) / 100.0, linestyle="--", label="score / 100"
        )
        panel.set_title(
            f"{response.fault}\n{response.attribute}, Spearman {response.monotony:.2f}", fontsize=8
        )
        panel.set_ylim(0, 1)
        panel.grid(alpha=0.3)
    panels.flat[0].legend(fontsize=6)
    figure.supxlabel("severity of the fault")
    save_figure(figure, path)


def plot_confusion(responses: list[FaultResponse], path: Path) -> None:
    """Fault × attribute at medium severity: mean attribute, and how often each is the lowest."""
    figure = new_figure(width=13, height=0.4 * len(responses) + 2.5)
    means = np.array([response.mean_attributes for response in responses])
    lowest = np.array([response.lowest_shares for response in responses])
    names = [response.fault for response in responses]
    panels = figure.subplots(1, 2)
    for axes, matrix, title, colours in (
        (panels[0], means, f"mean attribute at severity {MEDIUM_SEVERITY}", "RdYlGn"),
        (panels[1], lowest, "share of photos in which it is the lowest", "Blues"),
    ):
        axes.imshow(matrix, vmin=0, vmax=1, cmap=colours, aspect="auto")
        axes.set_xticks(range(len(LEARNED_ATTRIBUTES)), LEARNED_ATTRIBUTES, rotation=45, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.set_title(title)
        for (row, column), value in np.ndenumerate(matrix):
            own = LEARNED_ATTRIBUTES[column] == responses[row].attribute
            weight = "bold" if own else "normal"
            axes.text(
                column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, weight=weight
            )
    save_figure(figure, path)


def plot_calibration(found: Calibration, path: Path) -> None:
    """Observed error against predicted uncertainty, a point a bin."""
    figure = new_figure(width=5, height=5)
    axes = figure.subplots()
    predicted = [part.predicted for part in found.bins]
    observed = [part.observed for part in found.bins]
    top = 1.1 * max(*predicted, *observed, 1e-6)
    axes.plot([0, top], [0, top], color="black", linewidth=1, label="calibrated")
    axes.plot(predicted, observed, marker="o", label="a fifth of the photos each")
    axes.set(
        xlim=(0, top),
        ylim=(0, top),
        xlabel="predicted uncertainty, points",
        ylabel="mean absolute error, points",
    )
    axes.legend()
    save_figure(figure, path)
