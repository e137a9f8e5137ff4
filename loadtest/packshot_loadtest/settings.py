"""The settings of a run: what is asked for, when, and of whom."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from packshot_loadtest.arrivals import Pattern, arrival_times
from packshot_loadtest.errors import SettingsError
from packshot_loadtest.generator.calls import Target
from packshot_loadtest.generator.job import ARRIVAL, Arrivals
from packshot_loadtest.mix import Mix, RequestKind, parse_mix
from packshot_loadtest.traces import Trace, read_trace


@dataclass(frozen=True, kw_only=True)
class PhotoSource:
    """Where photos come from.

    Attributes:
        folder: A folder of photos; ``None`` for the ones that scikit-image carries.
        sizes: Size distribution of generated photos, such as ``512=70,1024=30``; empty is 512 px
            squares.
        most: How many of them are used.
    """

    folder: Path | None = None
    sizes: str = ""
    most: int = 64

    def __post_init__(self) -> None:
        if self.folder is not None and self.sizes:
            raise SettingsError("give a folder of photos or sizes to generate, not both")
        if self.most < 1:
            raise SettingsError(f"at least one photo is needed, got {self.most}")


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """One run.

    Attributes:
        target: Which server.
        mix: Request kinds with weights, as ``score=80,page=5,pixels=15``.
        pattern: Rate of arrivals over time; ``None`` with a trace or in a closed loop.
        trace: CSV file to replay instead.
        speed: How fast.
        users: Callers of a closed loop; 0 is open loop.
        think_s: Their pause.
        duration_s: The measured part; of a trace at most this much is replayed.
        warmup_s: Load before it, not measured.
        photos: Where photos come from.
        seed: Of arrivals, kinds and photos.
        max_in_flight: Requests under way at most in each process; more are dropped.
        max_lag_ms: A request sent later than this after its time was late.
        max_late_share: More late ones than this, 0-1, and the generator was the bottleneck.
    """

    target: Target
    mix: str = "score"
    pattern: Pattern | None = None
    trace: Path | None = None
    speed: float = 1.0
    users: int = 0
    think_s: float = 0.0
    duration_s: float = 60.0
    warmup_s: float = 5.0
    photos: PhotoSource = field(default_factory=PhotoSource)
    seed: int = 0
    max_in_flight: int = 2000
    max_lag_ms: float = 20.0
    max_late_share: float = 0.01

    def __post_init__(self) -> None:
        ways = [self.pattern is not None, self.trace is not None, self.users > 0]
        if sum(ways) != 1:
            raise SettingsError("give one of: a rate, a trace to replay, users of a closed loop")
        if self.users < 0 or self.think_s < 0:
            raise SettingsError("users and think time must be 0 or more")
        if self.max_in_flight < 1:
            raise SettingsError(f"max_in_flight must be 1 or more, got {self.max_in_flight}")
        if self.max_lag_ms <= 0 or not 0 <= self.max_late_share < 1:
            raise SettingsError("max_lag_ms must be above 0 and max_late_share 0 to 1")
        if not 0 < self.duration_s < float("inf") or not 0 <= self.warmup_s < float("inf"):
            raise SettingsError("duration must be above 0 s, warm-up 0 s or more")
        if self.seed < 0:
            raise SettingsError(f"seed must be 0 or more, got {self.seed}")

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        values = asdict(self)
        values["photos"]["folder"] = str(self.photos.folder) if self.photos.folder else None
        values["trace"] = str(self.trace) if self.trace else None
        return values


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The requests of a run.

    Attributes:
        kinds: Request kinds.
        arrivals: When each is due and what it asks for.
        duration_s: The measured part; a trace may be shorter than asked.
    """

    kinds: tuple[RequestKind, ...]
    arrivals: Arrivals
    duration_s: float

    @property
    def highest_rate(self) -> float:
        """Requests in the busiest second."""
        if not len(self.arrivals):
            return 0.0
        return float(np.bincount(self.arrivals["due_s"].astype(np.int64)).max())


def request_kinds(settings: RunSettings) -> tuple[RequestKind, ...]:
    """What a run asks for.

    Raises:
        SettingsError: The mix cannot be read.
        TraceError: The trace cannot be.
    """
    if settings.trace is not None:
        return tuple(dict.fromkeys(read_trace(settings.trace, speed=settings.speed).kinds))
    return parse_mix(settings.mix).kinds


def make_schedule(settings: RunSettings, *, photo_count: int) -> Schedule:
    """Work out every request of a run.

    Raises:
        SettingsError: The mix or a length cannot be used.
        TraceError: The trace cannot be replayed.
    """
    if settings.trace is not None:
        return _replay(read_trace(settings.trace, speed=settings.speed), settings, photo_count)
    mix = parse_mix(settings.mix)
    if settings.pattern is None:
        # A closed loop has no times: its users walk through these kinds and photos in turn.
        return _schedule(mix, np.zeros(4096), settings, photo_count, settings.duration_s)
    times = arrival_times(
        settings.pattern,
        duration_s=settings.duration_s,
        warmup_s=settings.warmup_s,
        seed=settings.seed,
    )
    return _schedule(mix, times, settings, photo_count, settings.duration_s)


def _schedule(
    mix: Mix, times: Any, settings: RunSettings, photo_count: int, duration_s: float
) -> Schedule:
    arrivals = np.empty(len(times), dtype=ARRIVAL)
    arrivals["due_s"] = times
    arrivals["kind"] = mix.draw(len(times), seed=settings.seed)
    arrivals["item"] = _items(len(times), photo_count, settings.seed)
    return Schedule(kinds=mix.kinds, arrivals=arrivals, duration_s=duration_s)


def _replay(trace: Trace, settings: RunSettings, photo_count: int) -> Schedule:
    kinds = tuple(dict.fromkeys(trace.kinds))
    kept = trace.times < settings.duration_s
    numbers = {kind: number for number, kind in enumerate(kinds)}
    arrivals = np.empty(int(kept.sum()), dtype=ARRIVAL)
    # A trace is what happened: nothing is put before it, and its start is its warm-up.
    arrivals["due_s"] = trace.times[kept]
    arrivals["kind"] = [numbers[kind] for kind in trace.kinds[: len(arrivals)]]
    arrivals["item"] = _items(len(arrivals), photo_count, settings.seed)
    end_s = min(settings.duration_s, float(arrivals["due_s"][-1]) + 0.001)
    return Schedule(
        kinds=kinds, arrivals=arrivals, duration_s=max(end_s - settings.warmup_s, 0.001)
    )


def _items(count: int, photo_count: int, seed: int) -> Any:
    """Every photo equally often, in an order of its own in each round."""
    generator = np.random.default_rng([seed, 2])
    rounds = -(-count // photo_count)
    order = [generator.permutation(photo_count) for _ in range(rounds)]
    return np.concatenate(order)[:count] if order else np.zeros(0)
