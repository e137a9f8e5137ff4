"""The settings of a comparison of variants."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packshot_loadtest.errors import SettingsError
from packshot_loadtest.settings import PhotoSource
from packshot_loadtest.tuning.variants import SHIPPED, Variant


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """How to compare.

    Attributes:
        repository: Model repository that the variants change.
        variants: Which.
        photos: Where photos come from.
        rates: Photos a second, Poisson arrivals.
        repeats: How often everything is measured.
        duration_s: Measured part of each rate.
        closed_s: Length of each measurement with a fixed number of photos in flight.
        warmup_s: Load before each rate, and after a server's start.
        max_lag_ms: As for a run. The generator shares the servers' cores, so it is late now and
            then; its lag is part of every latency, of every variant alike.
    """

    repository: Path
    variants: tuple[Variant, ...] = (SHIPPED,)
    photos: PhotoSource = field(default_factory=PhotoSource)
    rates: tuple[float, ...] = (12.0, 24.0)
    repeats: int = 3
    duration_s: float = 20.0
    closed_s: float = 8.0
    warmup_s: float = 3.0
    max_lag_ms: float = 50.0

    def __post_init__(self) -> None:
        if not self.variants:
            raise SettingsError("there is no variant to measure")
        if any(rate <= 0 for rate in self.rates) or len(set(self.rates)) != len(self.rates):
            raise SettingsError(f"rates must be above 0 and each given once, got {self.rates}")
        if self.repeats < 1:
            raise SettingsError(f"everything is measured once at least, got {self.repeats} repeats")
        if min(self.duration_s, self.closed_s, self.warmup_s) <= 0:
            raise SettingsError("durations and the warm-up must be above 0 s")

    @property
    def quick(self) -> TuningSettings:
        """The same, once and for seconds: does every variant run and answer rightly?"""
        return dataclasses.replace(self, repeats=1, duration_s=3.0, closed_s=1.5, warmup_s=1.0)

    def as_dict(self) -> dict[str, Any]:
        """What results depend on, ready for JSON."""
        values = dataclasses.asdict(self)
        values["repository"] = str(self.repository)
        values["photos"]["folder"] = str(self.photos.folder) if self.photos.folder else None
        values["variants"] = {
            variant.name: [str(edit) for edit in variant.edits] for variant in self.variants
        }
        values["rates"] = list(self.rates)
        return values
