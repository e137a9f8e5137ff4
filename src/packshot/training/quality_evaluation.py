"""How well the quality network agrees with people, and how honest its attributes are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats

from packshot.contracts import LEARNED_ATTRIBUTES
from packshot.imaging.views import fragments, global_view
from packshot.models.quality import QualityNet
from packshot.training.degradations import FAULTS, Fault
from packshot.training.metrics import METRICS, Estimate, bootstrap
from packshot.training.quality_photos import LabelledPhoto, held_back_photos, read_photo
from packshot.training.quality_trainer import predict_scores

PixelArray = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]

SEVERITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
MEDIUM_SEVERITY = 0.5


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Agreement with human scores on one subset of photos."""

    subset: str
    photos: int
    metrics: dict[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class FaultResponse:
    """How the network answers one fault, over photos it never saw.

    Attributes:
        fault: Name of the fault.
        attribute: The attribute it should lower.
        monotony: Mean over the photos of the Spearman correlation between severity and
            one minus the attribute.
        score_monotony: The same for one minus the overall score.
        own_lowest: Share of the photos in which, at medium severity, the fault's own attribute
            is the lowest of all.
        mean_attributes: [7] mean attributes at medium severity: a row of the confusion matrix.
        curve: Mean of the own attribute at each of ``SEVERITIES``.
    """

    fault: str
    attribute: str
    monotony: float
    score_monotony: float
    own_lowest: float
    mean_attributes: tuple[float, ...]
    curve: tuple[float, ...]


def human_agreement(
    network: QualityNet, photos: Sequence[LabelledPhoto]
) -> tuple[list[Agreement], FloatArray]:
    """Agreement on all photos and on each BIQ2021 subset, and the predicted scores (0-100)."""
    predicted = predict_scores(network, [p.path for p in photos], torch.device("cpu"))
    human = np.array([photo.mos * 100.0 for photo in photos])
    subsets = np.array([photo.path.name[:4] for photo in photos])
    chosen = {"all": np.ones(len(photos), bool)} | {s: subsets == s for s in np.unique(subsets)}
    return [
        Agreement(
            subset=str(name),
            photos=int(where.sum()),
            metrics={
                metric: bootstrap(function, predicted[where], human[where])
                for metric, function in METRICS.items()
            },
        )
        for name, where in chosen.items()
    ], predicted


def unseen_clean_photos(data: Path, test: Sequence[LabelledPhoto], *, most: int) -> list[Path]:
    """Clean photos of which no training saw any: test-split Unsplash, studio and BSDS ones."""
    liked = [p.path for p in test if p.mos >= 0.75 and p.path.name.startswith("ss03")]
    return [
        *liked[:most],
        *held_back_photos(data / "studio")[:most],
        *held_back_photos(data / "bsds")[:most],
    ]


@torch.inference_mode()
def predict_pictures(
    network: QualityNet, pictures: Sequence[PixelArray]
) -> tuple[FloatArray, FloatArray]:
    """Scores [N] (0-100) and attributes [N, 7] of decoded pictures."""
    scores, attributes, _, _ = network(
        torch.from_numpy(np.stack([global_view(picture) for picture in pictures])),
        torch.from_numpy(np.stack([fragments(picture) for picture in pictures])),
    )
    return scores.flatten().double().numpy(), attributes.double().numpy()


def fault_responses(
    network: QualityNet,
    photos: Sequence[Path],
    *,
    faults: Sequence[Fault] = FAULTS,
    report: Callable[[str], None] = lambda _: None,
) -> list[FaultResponse]:
    """Apply each fault to each photo at growing severity and read the answers."""
    pictures = [read_photo(path) for path in photos]
    responses: list[FaultResponse] = []
    levels = (*SEVERITIES, MEDIUM_SEVERITY)
    for fault in faults:
        report(fault.name)
        scores = np.empty((len(pictures), len(levels)))
        attributes = np.empty((len(pictures), len(levels), len(LEARNED_ATTRIBUTES)))
        for row, picture in enumerate(pictures):
            # One random draw a photo: a curve must not jump because the angle changed.
            spoilt = [
                fault.apply(picture, level, np.random.default_rng(row)) if level else picture
                for level in levels
            ]
            scores[row], attributes[row] = predict_pictures(network, spoilt)
        responses.append(_summarize(fault, scores, attributes))
    return responses


def _summarize(fault: Fault, scores: FloatArray, attributes: FloatArray) -> FaultResponse:
    own = LEARNED_ATTRIBUTES.index(fault.attribute)
    curve, medium = attributes[:, :-1, own], attributes[:, -1]
    return FaultResponse(
        fault=fault.name,
        attribute=fault.attribute,
        monotony=_mean_monotony(curve),
        score_monotony=_mean_monotony(scores[:, :-1]),
        own_lowest=float((medium.argmin(axis=1) == own).mean()),
        mean_attributes=tuple(float(v) for v in medium.mean(axis=0)),
        curve=tuple(float(v) for v in curve.mean(axis=0)),
    )


def _mean_monotony(curves: FloatArray) -> float:
    """Mean Spearman correlation of falling curves [N, severities] with severity."""
    return float(np.mean([-stats.spearmanr(SEVERITIES, curve).statistic for curve in curves]))
