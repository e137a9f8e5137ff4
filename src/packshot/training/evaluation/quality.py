"""Everything that is measured of the quality network, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from packshot.errors import TrainingError
from packshot.models.quality import QualityNet
from packshot.training.degradations import FAULTS
from packshot.training.evaluation.baselines import PLAIN_BASELINES, brisque
from packshot.training.evaluation.calibration import Calibration, calibration
from packshot.training.evaluation.cost import Cost, measure_cost
from packshot.training.evaluation.false_alarms import FalseAlarms, false_alarms
from packshot.training.evaluation.fault_responses import (
    FaultResponse,
    fault_responses,
    unseen_clean_photos,
)
from packshot.training.evaluation.method_comparison import (
    MethodAgreement,
    baseline_values,
    compare_methods,
)
from packshot.training.evaluation.predictions import Predictions, predict_photos
from packshot.training.feedback.label_agreement import label_agreement
from packshot.training.feedback.labels import GradeThresholds, Labels
from packshot.training.metrics import Estimate, FloatArray
from packshot.training.quality.photos import LabelledPhoto, held_back_photos, split_biq2021

Advance = Callable[[str, int, int], None]
"""Called with (what is being measured, how much of it is done, how much there is)."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Agreement with people on one subset of photos."""

    subset: str
    labels: int
    metrics: dict[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class QualityEvaluation:
    """What was measured.

    Attributes:
        labels: What people said.
        predictions: Answers for ``labels.photos``.
        agreement: On all labels first, then by subset.
        comparison: The network beside BRISQUE and plain statistics, on all labels.
        brisque_measured: Whether BRISQUE was installed.
        calibration: Of the uncertainty; only where people gave scores.
        clean_photos: Photos faults were applied to.
        faults: A response a fault; empty where no clean photos are at hand.
        false_alarms: On held-back studio photos; empty where there are none.
        cost: Of the network.
    """

    labels: Labels
    predictions: Predictions
    agreement: list[Agreement]
    comparison: list[MethodAgreement]
    brisque_measured: bool
    calibration: Calibration | None
    clean_photos: int
    faults: list[FaultResponse]
    false_alarms: list[FalseAlarms]
    cost: Cost

    @property
    def own_lowest(self) -> float:
        """Share of (photo, fault) cases at medium severity whose own attribute is the lowest."""
        return float(np.mean([fault.own_lowest for fault in self.faults]))


def held_out_labels(data: Path) -> tuple[Labels, tuple[LabelledPhoto, ...]]:
    """The test part of our BIQ2021 split, as labels and as photos.

    Raises:
        TrainingError: BIQ2021 is not in ``data``, or not whole.
    """
    test = split_biq2021(data / "biq2021").test
    labels = Labels(
        kind="scores",
        photos=tuple(photo.path for photo in test),
        targets=tuple(photo.mos for photo in test),
        subsets=tuple(photo.path.name[:4] for photo in test),
    )
    return labels, test


def evaluate_quality(
    network: QualityNet,
    *,
    data: Path | None,
    labels: Labels | None = None,
    grades: GradeThresholds | None = None,
    photos_per_source: int = 20,
    resamples: int = 1000,
    advance: Advance = lambda _what, _done, _total: None,
) -> QualityEvaluation:
    """Measure agreement, calibration, answers to faults and false alarms.

    Args:
        network: The network, in evaluation mode.
        data: Folder with biq2021/, studio/ and bsds/; whatever of it is missing is not measured
            on. Needed unless there are labels.
        labels: The user's own; by default the test part of our BIQ2021 split.
        grades: Scores at which classes begin, for labels that are grades.
        photos_per_source: Clean photos of each source to apply faults to.
        resamples: Draws of each bootstrap interval.
        advance: Called as the work goes on.

    Raises:
        TrainingError: Nothing to measure on, or photos that cannot be decoded.
    """
    test: tuple[LabelledPhoto, ...] = ()
    if data is not None and (labels is None or (data / "biq2021" / "mos.csv").is_file()):
        ours, test = held_out_labels(data)
        labels = labels or ours
    if labels is None:
        raise TrainingError("nothing to measure on: give a data folder or labels")
    photos = labels.photos
    # channels_last: three times faster on CPU for depthwise convolutions.
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    predictions = predict_photos(network, photos, _counted(advance, "scores", len(photos)))
    brisque_baseline = brisque()
    baselines = (*([brisque_baseline] if brisque_baseline else []), *PLAIN_BASELINES)
    values = baseline_values(baselines, photos, _counted(advance, "baselines", len(photos)))
    clean = [] if data is None else unseen_clean_photos(data, test, most=photos_per_source)
    studio = [] if data is None else held_back_photos(data / "studio")
    return QualityEvaluation(
        labels=labels,
        predictions=predictions,
        agreement=agreement_by_subset(labels, predictions.scores, grades, resamples=resamples),
        comparison=compare_methods(labels, predictions.scores, values, resamples=resamples),
        brisque_measured=brisque_baseline is not None,
        calibration=calibration(
            predictions.scores, predictions.uncertainty, np.array(labels.targets) * 100.0
        )
        if labels.kind == "scores"
        else None,
        clean_photos=len(clean),
        faults=_faults(network, clean, advance),
        false_alarms=false_alarms(network, studio) if studio else [],
        cost=measure_cost(network),
    )


def agreement_by_subset(
    labels: Labels,
    scores: FloatArray,
    grades: GradeThresholds | None = None,
    *,
    resamples: int = 1000,
) -> list[Agreement]:
    """Agreement on all labels, then on each subset of two labels or more."""
    found = [
        Agreement(
            subset="all",
            labels=len(labels),
            metrics=label_agreement(labels, scores, grades=grades, resamples=resamples),
        )
    ]
    for subset in sorted(set(labels.subsets)):
        chosen = [index for index, name in enumerate(labels.subsets) if name == subset]
        if len(chosen) < 2:
            continue
        part = replace(labels.chosen(chosen), subsets=())
        metrics = label_agreement(part, scores[chosen], grades=grades, resamples=resamples)
        found.append(Agreement(subset=subset, labels=len(part), metrics=metrics))
    return found


def _faults(network: QualityNet, clean: list[Path], advance: Advance) -> list[FaultResponse]:
    if not clean:
        return []
    responses = fault_responses(
        network, clean, faults=FAULTS, report=lambda _, done: advance("faults", done, len(FAULTS))
    )
    advance("faults", len(FAULTS), len(FAULTS))
    return responses


def _counted(advance: Advance, what: str, total: int) -> Callable[[int], None]:
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        advance(what, done, total)

    return count
