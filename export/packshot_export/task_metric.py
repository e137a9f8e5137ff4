"""Task metrics: what rounding may cost in the terms of the task, not of single values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from packshot.training.metrics import srcc
from packshot_export.precision import Precision

Values = npt.NDArray[np.generic]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One task metric of one runtime.

    Attributes:
        metric: What was measured, in words.
        value: Its value.
        limit: What it must not pass.
        passed: Whether it did not.
    """

    metric: str
    value: float
    limit: float
    passed: bool


class TaskMetric(Protocol):
    """Agreement of one output with PyTorch's."""

    @property
    def output(self) -> str:
        """The output it looks at."""

    def measure(self, expected: Values, got: Values, precision: Precision) -> Measured:
        """Compare all answers of a set of pictures."""


MAX_SRCC_LOSS = {Precision.FP32: 0.0005, Precision.FP16: 0.002, Precision.INT8: 0.01}
"""How much of the Spearman correlation each precision may cost."""

MIN_PSNR_DB = {Precision.FP32: 60.0, Precision.FP16: 45.0, Precision.INT8: 35.0}
"""Least likeness of image outputs to PyTorch's, which are 8-bit images."""


@dataclass(frozen=True, kw_only=True)
class RankAgreement:
    """Spearman correlation with PyTorch's scores, [N, 1] in any unit.

    Attributes:
        output: The scores.
    """

    output: str

    def measure(self, expected: Values, got: Values, precision: Precision) -> Measured:
        """1 - SRCC must not pass ``MAX_SRCC_LOSS``; undefined (all equal) counts as lost."""
        loss = 1.0 - rank_correlation(got, expected)
        limit = MAX_SRCC_LOSS[precision]
        return Measured(
            metric="SRCC lost against PyTorch", value=loss, limit=limit, passed=bool(loss <= limit)
        )


@dataclass(frozen=True, kw_only=True)
class ImageAgreement:
    """PSNR of image outputs, [N, H, W, 3], against PyTorch's.

    Attributes:
        output: The images.
        peak: Their largest value.
    """

    output: str
    peak: float = 255.0

    def measure(self, expected: Values, got: Values, precision: Precision) -> Measured:
        """The PSNR in dB over all pixels must reach ``MIN_PSNR_DB``."""
        error = float(np.mean((got.astype(np.float64) - expected.astype(np.float64)) ** 2))
        psnr = float("inf") if error == 0 else 10 * float(np.log10(self.peak**2 / error))
        limit = MIN_PSNR_DB[precision]
        return Measured(
            metric="PSNR against PyTorch, dB", value=psnr, limit=limit, passed=bool(psnr >= limit)
        )


def rank_correlation(first: Values, second: Values) -> float:
    """Spearman correlation of two sets of scores; 0 where it is not defined."""
    a, b = (np.asarray(values, np.float64).ravel() for values in (first, second))
    if not (np.isfinite(a).all() and np.isfinite(b).all()) or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return srcc(a, b)


def labelled_loss(
    expected: Values, got: Values, scores: npt.NDArray[np.float64], precision: Precision
) -> Measured:
    """How much less the scores agree with people than PyTorch's do, in SRCC."""
    loss = rank_correlation(expected, scores) - rank_correlation(got, scores)
    limit = MAX_SRCC_LOSS[precision]
    return Measured(
        metric="SRCC lost against people", value=loss, limit=limit, passed=bool(loss <= limit)
    )
