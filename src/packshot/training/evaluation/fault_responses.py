"""How the attributes answer faults applied to photos the network never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from packshot.contracts import LEARNED_ATTRIBUTES
from packshot.models.quality import QualityNet
from packshot.training.degradations import FAULTS, Fault
from packshot.training.evaluation.predictions import open_photo, predict_pictures
from packshot.training.metrics import FloatArray
from packshot.training.quality.photos import LabelledPhoto, held_back_photos

SEVERITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
MEDIUM_SEVERITY = 0.5


@dataclass(frozen=True, kw_only=True)
class FaultResponse:
    """How the network answers one fault, over photos it never saw.

    Attributes:
        fault: Name of the fault.
        attribute: The attribute it should lower.
        photos: Photos it was applied to.
        monotony: Mean over the photos of the Spearman correlation between severity and
            one minus the attribute.
        score_monotony: The same for one minus the overall score.
        own_lowest: Share of the photos in which, at medium severity, the fault's own attribute
            is the lowest of all.
        mean_attributes: [7] mean attributes at medium severity: a row of the confusion matrix.
        lowest_shares: [7] share of the photos in which each attribute is the lowest at medium
            severity.
        curve: Mean of the own attribute at each of ``SEVERITIES``.
        curve_spread: Standard deviation over the photos of the own attribute, likewise.
        score_curve: Mean of the overall score, likewise.
    """

    fault: str
    attribute: str
    photos: int
    monotony: float
    score_monotony: float
    own_lowest: float
    mean_attributes: tuple[float, ...]
    lowest_shares: tuple[float, ...]
    curve: tuple[float, ...]
    curve_spread: tuple[float, ...]
    score_curve: tuple[float, ...]


def unseen_clean_photos(data: Path, test: Sequence[LabelledPhoto], *, most: int) -> list[Path]:
    """Clean photos of which no training saw any: test-split Unsplash, studio and BSDS ones."""
    liked = [p.path for p in test if p.mos >= 0.75 and p.path.name.startswith("ss03")]
    return [
        *liked[:most],
        *held_back_photos(data / "studio")[:most],
        *held_back_photos(data / "bsds")[:most],
    ]


def fault_responses(
    network: QualityNet,
    photos: Sequence[Path],
    *,
    faults: Sequence[Fault] = FAULTS,
    report: Callable[[str, int], None] = lambda _fault, _done: None,
) -> list[FaultResponse]:
    """Apply each fault to each photo at growing severity and read the answers.

    ``report`` is called with each fault's name and the number of faults finished before it.
    """
    pictures = [open_photo(path) for path in photos]
    responses: list[FaultResponse] = []
    untouched = [predict_pictures(network, [picture]) for picture in pictures]
    levels = (*SEVERITIES, MEDIUM_SEVERITY)
    for done, fault in enumerate(faults):
        report(fault.name, done)
        scores = np.empty((len(pictures), len(levels)))
        attributes = np.empty((len(pictures), len(levels), len(LEARNED_ATTRIBUTES)))
        for row, picture in enumerate(pictures):
            # One random draw a photo: a curve must not jump because the angle changed.
            spoilt = [
                fault.apply(picture, level, np.random.default_rng(row)) for level in levels[1:]
            ]
            answers = predict_pictures(network, spoilt)
            scores[row, 0] = untouched[row].scores[0]
            attributes[row, 0] = untouched[row].attributes[0]
            scores[row, 1:], attributes[row, 1:] = answers.scores, answers.attributes
        responses.append(summarize(fault, scores, attributes))
    return responses


def summarize(fault: Fault, scores: FloatArray, attributes: FloatArray) -> FaultResponse:
    """Condense the answers to one fault.

    Args:
        fault: The fault.
        scores: [photos, 7] overall scores at each of ``SEVERITIES`` and at medium severity.
        attributes: [photos, 7, attributes], likewise.
    """
    own = LEARNED_ATTRIBUTES.index(fault.attribute)
    curve, medium = attributes[:, :-1, own], attributes[:, -1]
    lowest = medium.argmin(axis=1)
    shares = [float((lowest == index).mean()) for index in range(len(LEARNED_ATTRIBUTES))]
    return FaultResponse(
        fault=fault.name,
        attribute=fault.attribute,
        photos=len(scores),
        monotony=mean_monotony(curve),
        score_monotony=mean_monotony(scores[:, :-1]),
        own_lowest=shares[own],
        mean_attributes=_floats(medium.mean(axis=0)),
        lowest_shares=tuple(shares),
        curve=_floats(curve.mean(axis=0)),
        curve_spread=_floats(curve.std(axis=0)),
        score_curve=_floats(scores[:, :-1].mean(axis=0)),
    )


def mean_monotony(curves: FloatArray) -> float:
    """Mean Spearman correlation of falling curves [N, severities] with severity.

    A curve that does not move at all counts as 0: it does not answer the fault.
    """
    return float(
        np.mean(
            [
                -stats.spearmanr(SEVERITIES, curve).statistic if np.ptp(curve) > 0 else 0.0
                for curve in curves
            ]
        )
    )


def _floats(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
