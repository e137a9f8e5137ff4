"""Whether the predicted uncertainty of the score is the error it is off by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from packshot.training.metrics import Estimate, FloatArray, bootstrap, srcc

EXPECTED_WITHIN = 0.575
"""Share of errors below their own mean, where errors are normal: P(|z| < sqrt(2 / pi))."""


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """Photos of like predicted uncertainty; errors and uncertainty in score points."""

    photos: int
    predicted: float
    observed: float
    within: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Predicted uncertainty (the expected absolute error) against absolute errors.

    Attributes:
        predicted: Mean predicted uncertainty.
        observed: Mean absolute error; equal to ``predicted`` where calibrated.
        within: Share of errors within the predicted uncertainty; about ``EXPECTED_WITHIN``
            where calibrated and errors are normal.
        ranking: SRCC of uncertainty and absolute error: whether it knows where it is unsure.
        bins: From the most to the least certain photos, equally many in each.
    """

    predicted: float
    observed: float
    within: float
    ranking: Estimate
    bins: tuple[CalibrationBin, ...]


def calibration(
    scores: FloatArray, uncertainty: FloatArray, human: FloatArray, *, bins: int = 5
) -> Calibration:
    """Measure calibration of [N] uncertainties; all in score points, 0-100."""
    errors = np.abs(scores - human)
    order = np.argsort(uncertainty, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return Calibration(
        predicted=float(uncertainty.mean()),
        observed=float(errors.mean()),
        within=float((errors <= uncertainty).mean()),
        ranking=bootstrap(srcc, uncertainty, errors),
        bins=tuple(
            CalibrationBin(
                photos=len(part),
                predicted=float(uncertainty[part].mean()),
                observed=float(errors[part].mean()),
                within=float((errors[part] <= uncertainty[part]).mean()),
            )
            for part in parts
        ),
    )
