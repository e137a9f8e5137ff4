"""Agreement between predicted and human scores: SRCC, PLCC, KRCC and RMSE, with intervals."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A statistic with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "not defined"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def srcc(predicted: FloatArray, human: FloatArray) -> float:
    """Spearman rank correlation."""
    return float(stats.spearmanr(predicted, human).statistic)


def plcc(predicted: FloatArray, human: FloatArray) -> float:
    """Pearson correlation, with no non-linear fit before it."""
    return float(stats.pearsonr(predicted, human).statistic)


def krcc(predicted: FloatArray, human: FloatArray) -> float:
    """Kendall's tau-b."""
    return float(stats.kendalltau(predicted, human).statistic)


def rmse(predicted: FloatArray, human: FloatArray) -> float:
    """Root mean square error, in the unit of the scores."""
    return float(np.sqrt(np.mean((predicted - human) ** 2)))


METRICS: dict[str, Callable[[FloatArray, FloatArray], float]] = {
    "SRCC": srcc,
    "PLCC": plcc,
    "KRCC": krcc,
    "RMSE": rmse,
}


def bootstrap(
    metric: Callable[[FloatArray, FloatArray], float],
    predicted: FloatArray,
    human: FloatArray,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """The metric with its 95 % percentile interval over resampled photos.

    NaN, interval included, where the metric is not defined (predictions or scores all equal).
    """
    rng = np.random.default_rng(seed)
    count = len(human)
    with warnings.catch_warnings():
        # Few or equal values: the correlation of a draw may not be defined, and says NaN.
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        value = metric(predicted, human)
        if math.isnan(value):
            return Estimate(value=value, low=value, high=value)
        draws = [
            metric(predicted[chosen], human[chosen])
            for chosen in (rng.integers(count, size=count) for _ in range(resamples))
        ]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return Estimate(value=value, low=float(low), high=float(high))


def mean_estimate(values: Sequence[float], *, resamples: int = 1000, seed: int = 0) -> Estimate:
    """The mean with its 95 % percentile interval over resampled values."""
    array = np.array(values, np.float64)
    return bootstrap(lambda v, _: float(v.mean()), array, array, resamples=resamples, seed=seed)
