"""Score thresholds of a policy, from what people said of photos: where to accept and to reject.

A policy accepts a photo whose score lies its own uncertainty above ``accept``, rejects one that
lies as far below ``reject``, and leaves the rest to a person (``packshot.policy.judge``). The
thresholds suggested here are those that leave the least to people while of the photos accepted,
and of those rejected, a wanted share was judged rightly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from packshot.errors import TrainingError
from packshot.models.quality import QualityNet
from packshot.training.evaluation.predictions import predict_photos
from packshot.training.metrics import FloatArray
from packshot.training.quality.photos import LabelledPhoto

_CANDIDATES = np.arange(0.0, 101.0)
FEWEST = 10


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a decision should hold to.

    Attributes:
        good_from: People's score, 0-100, from which a photo should be shown.
        right: Share of the accepted that should be good, and of the rejected that should not.
    """

    good_from: float = 50.0
    right: float = 0.95

    def __post_init__(self) -> None:
        if not 0.0 < self.good_from < 100.0:
            raise ValueError(f"good_from must be a score between 0 and 100, got {self.good_from}")
        if not 0.5 <= self.right < 1.0:
            raise ValueError(f"right must be in [0.5, 1), got {self.right}")


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Scores from which to accept and under which to reject, 0-100."""

    accept: float
    reject: float


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What thresholds do to photos people scored.

    Attributes:
        photos: How many.
        accepted: Share accepted.
        rejected: Share rejected; the rest goes to a person.
        accepted_good: Share of the accepted that people found good; NaN where none was accepted.
        rejected_bad: Share of the rejected that people did not; NaN likewise.
    """

    photos: int
    accepted: float
    rejected: float
    accepted_good: float
    rejected_bad: float


def scored_photos(
    network: QualityNet,
    photos: Sequence[LabelledPhoto],
    advance: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """[N] scores, uncertainties and people's scores of labelled photos, all 0-100."""
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        advance(done, len(photos))

    found = predict_photos(network, [photo.path for photo in photos], count)
    return found.scores, found.uncertainty, np.array([photo.mos for photo in photos]) * 100.0


def suggest_thresholds(
    scores: FloatArray, uncertainty: FloatArray, human: FloatArray, goal: Goal
) -> Thresholds:
    """The lowest ``accept`` and the highest ``reject`` that reach the goal on [N] photos.

    Raises:
        TrainingError: No threshold that decides on ten photos or more reaches it.
    """
    good = human >= goal.good_from
    accepting = [t for t in _CANDIDATES if _right(scores - uncertainty >= t, good) >= goal.right]
    rejecting = [t for t in _CANDIDATES if _right(scores + uncertainty < t, ~good) >= goal.right]
    if not accepting or not rejecting:
        raise TrainingError(
            f"no threshold decides rightly on {goal.right:.0%} of {FEWEST} photos or more: give"
            f" more labels than {len(scores)}, a lower share, or another score than"
            f" {goal.good_from:g} to count as good"
        )
    accept = float(min(accepting))
    return Thresholds(accept=accept, reject=min(accept, float(max(rejecting))))


def decide(
    scores: FloatArray,
    uncertainty: FloatArray,
    human: FloatArray,
    thresholds: Thresholds,
    goal: Goal,
) -> Decisions:
    """What the thresholds do to [N] photos."""
    good = human >= goal.good_from
    accepted = scores - uncertainty >= thresholds.accept
    rejected = scores + uncertainty < thresholds.reject
    return Decisions(
        photos=len(scores),
        accepted=float(accepted.mean()),
        rejected=float(rejected.mean()),
        accepted_good=float(good[accepted].mean()) if accepted.any() else float("nan"),
        rejected_bad=float((~good)[rejected].mean()) if rejected.any() else float("nan"),
    )


def _right(decided: npt.NDArray[np.bool_], rightly: npt.NDArray[np.bool_]) -> float:
    return float(rightly[decided].mean()) if decided.sum() >= FEWEST else 0.0
