"""How much the pictures of a category differ, in pixels: what a generator loses when it collapses.

Density and coverage ask the same of features, which may call one shoe in ten colours ten shoes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from packshot.contracts import CATEGORIES
from packshot.training.generation.packshots import Packshots
from packshot.training.metrics import Estimate, mean_estimate

_RESAMPLES: Final = 1000


def spread(packshots: Packshots) -> dict[str, Estimate]:
    """Root mean square difference of a picture from the mean picture of its category, 0-255.

    Returns:
        The mean over the pictures of each category that has two or more, and under "all" the mean
        of those, each category counted alike; 95 % bootstrap intervals over pictures.
    """
    found = {}
    for number, name in enumerate(CATEGORIES):
        pictures = packshots.pictures[packshots.categories == number]
        if len(pictures) > 1:
            found[name] = _differences(pictures)
    rng = np.random.default_rng(0)
    # The mean of the categories has the interval of its parts, each resampled by itself.
    resampled = [
        np.mean([rng.choice(values, len(values)).mean() for values in found.values()])
        for _ in range(_RESAMPLES)
    ]
    low, high = np.percentile(resampled, [2.5, 97.5])
    mean = float(np.mean([values.mean() for values in found.values()]))
    by_category = {
        name: mean_estimate(values.tolist(), resamples=_RESAMPLES) for name, values in found.items()
    }
    return by_category | {"all": Estimate(value=mean, low=float(low), high=float(high))}


def _differences(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    away = pictures - pictures.mean(axis=0, dtype=np.float64)
    count = len(pictures)
    # A picture is nearer to a mean that it is part of than to that of others.
    correction = np.sqrt(count / (count - 1))
    return np.asarray(np.sqrt(np.square(away).mean(axis=(1, 2, 3))) * correction, np.float64)
