"""The pictures of ``packshot-eval generator``: bars by category, confusion, closest pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from packshot.contracts import CATEGORIES, DEFAULT_TRUNCATION
from packshot.training.evaluation.generator import (
    ClosestPairs,
    GeneratorEvaluation,
)
from packshot.training.evaluation.generator_features import FEATURES_NAME
from packshot.training.evaluation.generator_judges import BACKBONE_JUDGE, JUDGES, PIXEL_JUDGE
from packshot.training.plotting import new_figure, save_figure
from packshot.training.sheets import write_sheet


def plot_by_category(evaluation: GeneratorEvaluation, path: Path) -> None:
    """Recognition and KID of each category: real pictures and every generator."""
    figure = new_figure(width=12, height=11)
    *both, kid = figure.subplots(len(JUDGES) + 1, 1, sharex=True)
    series = {
        "real": (evaluation.recognition, evaluation.floor[BACKBONE_JUDGE]),
        **{
            result.name: (
                result.at[DEFAULT_TRUNCATION].recognition,
                result.at[1.0].distances[BACKBONE_JUDGE],
            )
            for result in evaluation.generators
        },
    }
    width = 0.8 / len(series)
    for index, (name, (recognition, distances)) in enumerate(series.items()):
        places = np.arange(len(CATEGORIES)) + (index - (len(series) - 1) / 2) * width
        for axes, judge in zip(both, JUDGES, strict=True):
            shares = recognition[judge].by_category
            axes.bar(places, [shares[c].value for c in CATEGORIES], width, label=name)
        estimates = (distances[category].measures["KID"] for category in CATEGORIES)
        values = np.array([[e.value, e.low, e.high] for e in estimates])
        reach = np.abs(values[:, 1:].T - values[:, 0])
        kid.bar(places, values[:, 0] * 1000, width, yerr=reach * 1000, label=name)
    for axes, judge in zip(both, JUDGES, strict=True):
        axes.set(ylim=(0, 1), ylabel=f"recognised by {judge},\ntruncation {DEFAULT_TRUNCATION}")
    both[0].legend(loc="lower right")
    kid.set(ylabel=f"KID x1000 on\n{FEATURES_NAME}, truncation 1")
    kid.set_xticks(range(len(CATEGORIES)), CATEGORIES, rotation=45, ha="right")
    save_figure(figure, path)


def plot_confusions(evaluation: GeneratorEvaluation, path: Path) -> None:
    """What real pictures and samples of the first generator are taken for, by our own judge."""
    figure = new_figure(width=14, height=7)
    first = evaluation.generators[0]
    for axes, title, found in zip(
        figure.subplots(1, 2),
        ("real held-out pictures", f"samples of {first.name}, truncation {DEFAULT_TRUNCATION}"),
        (
            evaluation.recognition[PIXEL_JUDGE],
            first.at[DEFAULT_TRUNCATION].recognition[PIXEL_JUDGE],
        ),
        strict=True,
    ):
        axes.imshow(found.confusion, vmin=0, vmax=1, cmap="Blues")
        axes.set_xticks(range(len(CATEGORIES)), CATEGORIES, rotation=45, ha="right")
        axes.set_yticks(range(len(CATEGORIES)), CATEGORIES)
        axes.set(title=title, xlabel="taken for", ylabel="category")
        for (row, column), share in np.ndenumerate(np.array(found.confusion)):
            if share >= 0.005:
                colour = "white" if share > 0.5 else "black"
                axes.text(
                    column, row, f"{share:.0%}", ha="center", va="center", fontsize=6, color=colour
                )
    save_figure(figure, path)


def write_pairs(closest: ClosestPairs, path: Path) -> None:
    """A sheet of two rows: pictures, and below each the nearest training picture."""
    write_sheet(path, [closest.samples, closest.originals])
