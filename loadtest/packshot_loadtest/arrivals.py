"""Arrivals: when each request is due, decided before the first is sent.

A :class:`Pattern` gives the rate over time; :func:`arrival_times` makes due times of it. An even
pattern has its k-th arrival where the integral of the rate passes k; a Poisson one where it passes
the k-th point of a unit Poisson process (inversion of the cumulative rate: Çınlar, Introduction to
Stochastic Processes, 1975). So the number of requests is known, and the same seed gives the same
requests on any number of workers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from packshot_loadtest.errors import SettingsError

Shape = Literal["constant", "poisson", "step", "ramp", "spike", "diurnal"]
SHAPES: Final[tuple[str, ...]] = get_args(Shape)

_GRID_S: Final = 0.01
_MOST_ARRIVALS: Final = 50_000_000

Times = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """The rate of arrivals over time.

    | shape    | rate                                                                  |
    |----------|-----------------------------------------------------------------------|
    | constant | ``rate``, evenly spaced                                               |
    | poisson  | ``rate``, at random                                                   |
    | step     | from ``rate`` to ``peak`` in ``steps`` equal steps                    |
    | ramp     | from ``rate`` to ``peak``, a straight line                            |
    | spike    | ``rate``, but ``peak`` in the middle fifth                            |
    | diurnal  | a day squeezed into the run: lowest ``rate``, highest ``peak``, a sine |

    Attributes:
        shape: Which.
        rate: Requests a second.
        peak: Highest rate, for the last four.
        steps: For ``step``.
        even: Whether the last four are evenly spaced instead of at random.
    """

    shape: Shape = "poisson"
    rate: float
    peak: float | None = None
    steps: int = 5
    even: bool = False

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise SettingsError(f"pattern must be one of {', '.join(SHAPES)}, got {self.shape!r}")
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise SettingsError(f"rate must be more than 0 requests a second, got {self.rate}")
        if self.varies:
            if self.peak is None or not (math.isfinite(self.peak) and self.peak > 0):
                raise SettingsError(
                    f"the pattern {self.shape} needs a peak rate (--peak), got {self.peak}"
                )
        elif self.peak is not None:
            raise SettingsError(f"the pattern {self.shape} has no peak, got {self.peak}")
        if self.steps < 2:
            raise SettingsError(f"steps must be 2 or more, got {self.steps}")

    @property
    def varies(self) -> bool:
        """Whether the rate changes over the run."""
        return self.shape not in ("constant", "poisson")

    @property
    def is_random(self) -> bool:
        """Whether arrivals come at random times."""
        return self.shape != "constant" and not (self.varies and self.even)

    @property
    def highest_rate(self) -> float:
        """Requests a second at the busiest moment."""
        return max(self.rate, self.peak or 0.0)

    def rates(self, progress: Times) -> Times:
        """Requests a second at each moment.

        Args:
            progress: Shares of the run, 0-1.
        """
        low, high = self.rate, self.peak or self.rate
        if self.shape == "step":
            level: Times = np.minimum(np.floor(progress * self.steps), self.steps - 1)
            return low + (high - low) * level / (self.steps - 1)
        if self.shape == "ramp":
            return low + (high - low) * progress
        if self.shape == "spike":
            middle = (progress >= 0.4) & (progress < 0.6)
            return np.where(middle, high, low).astype(np.float64)
        if self.shape == "diurnal":
            wave: Times = (1.0 - np.cos(2.0 * np.pi * progress)) / 2.0
            return low + (high - low) * wave
        return np.full_like(progress, low)


def arrival_times(
    pattern: Pattern, *, duration_s: float, seed: int, warmup_s: float = 0.0
) -> Times:
    """Due times in seconds from the start, ascending.

    Args:
        pattern: The rate over time.
        duration_s: Length of the run after the warm-up.
        seed: Of the random times.
        warmup_s: Time before it, at the pattern's first rate.

    Raises:
        SettingsError: A length is not positive, or nothing would arrive.
    """
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise SettingsError(f"duration must be more than 0 s, got {duration_s}")
    if not (math.isfinite(warmup_s) and warmup_s >= 0):
        raise SettingsError(f"warm-up must be 0 s or more, got {warmup_s}")
    whole_s = warmup_s + duration_s
    if pattern.highest_rate * whole_s > _MOST_ARRIVALS:
        raise SettingsError(
            f"{pattern.highest_rate:g} requests a second for {whole_s:g} s are more than"
            f" {_MOST_ARRIVALS:,}: shorten the run or lower the rate"
        )
    points = max(2, math.ceil(whole_s / _GRID_S) + 1)
    moments = np.linspace(0.0, whole_s, points)
    # Each grid cell has the rate of its middle, so that steps keep their exact totals.
    middles = (moments[:-1] + moments[1:]) / 2.0
    progress = np.clip((middles - warmup_s) / duration_s, 0.0, 1.0)
    rates = pattern.rates(progress)
    cumulative = np.concatenate([[0.0], np.cumsum(rates * np.diff(moments))])
    total = float(cumulative[-1])
    if pattern.is_random:
        generator = np.random.default_rng(seed)
        expected = int(total + 6.0 * math.sqrt(total) + 16)
        levels = np.cumsum(generator.exponential(size=expected))
        levels = levels[levels < total]
    else:
        # Half a step in, so that cutting a run in two does not put an arrival on the cut.
        levels = np.arange(round(total)) + 0.5
    if not len(levels):
        raise SettingsError(
            f"nothing arrives in {whole_s:g} s at {pattern.rate:g} requests a second"
        )
    return np.interp(levels, cumulative, moments)
