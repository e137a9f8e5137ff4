"""The photos the network misjudges most: for the eye, and for the model card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from packshot.training.evaluation.predictions import open_photo
from packshot.training.feedback.labels import Labels
from packshot.training.metrics import FloatArray
from packshot.training.plotting import new_figure, save_figure

MOST = 6
_THUMBNAIL = 220


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One misjudged photo: scores 0-100 of people and of the network."""

    path: Path
    human: float
    predicted: float


def worst_failures(labels: Labels, scores: FloatArray) -> tuple[list[Failure], list[Failure]]:
    """The photos rated too high and those rated too low, worst first, at most six each.

    Args:
        labels: Scores people gave, 0-1.
        scores: [N] predicted scores, 0-100.
    """
    human = np.array(labels.targets) * 100.0
    order = np.argsort(scores - human)

    def failure(index: np.intp) -> Failure:
        path = labels.photos[index]
        return Failure(path=path, human=float(human[index]), predicted=float(scores[index]))

    too_high = [failure(i) for i in order[::-1][:MOST] if scores[i] > human[i]]
    too_low = [failure(i) for i in order[:MOST] if scores[i] < human[i]]
    return too_high, too_low


def plot_failures(too_high: list[Failure], too_low: list[Failure], path: Path) -> None:
    """A sheet of pictures: above those rated too high, below those rated too low."""
    figure = new_figure(width=2.1 * MOST, height=5.2)
    panels = figure.subplots(2, MOST, squeeze=False)
    for row, (failures, what) in enumerate(((too_high, "too high"), (too_low, "too low"))):
        for axes, failure in zip(panels[row], failures, strict=False):
            picture = open_photo(failure.path)
            scale = _THUMBNAIL / max(picture.shape[:2])
            axes.imshow(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
            axes.set_title(
                f"{failure.path.stem}\n{failure.predicted:.0f}, people {failure.human:.0f}",
                fontsize=7,
            )
        panels[row][0].set_ylabel(what)
        for axes in panels[row]:
            axes.set(xticks=[], yticks=[])
    save_figure(figure, path)
