"""The recorder of one generator process: a row per request, and the histograms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from packshot_loadtest.mix import RequestKind
from packshot_loadtest.results.histograms import Histograms
from packshot_loadtest.results.outcomes import Outcome
from packshot_loadtest.results.samples import MOST_US, SAMPLE

_MOST_MESSAGES: Final = 50


class Recorder:
    """Counts what became of each request.

    Args:
        kinds: Request kinds, as the job names them.
        warmup_s: Requests due before this are kept as rows and left out of the histograms.
        worker: Number of this process.
    """

    def __init__(self, kinds: Sequence[RequestKind], *, warmup_s: float, worker: int) -> None:
        self._labels = [kind.label for kind in kinds]
        self._warmup_s = warmup_s
        self._worker = worker
        self._rows: list[tuple[float, int, int, int, int, int]] = []
        self._messages: Counter[str] = Counter()
        self.histograms = Histograms()
        self.recorded = 0

    def record(
        self,
        *,
        kind: int,
        outcome: Outcome,
        due_s: float,
        lag_s: float = 0.0,
        latency_s: float = 0.0,
        message: str = "",
    ) -> None:
        """Count one request.

        Args:
            kind: Index of its kind.
            outcome: How it ended.
            due_s: Its intended start, from the start of the generator.
            lag_s: Actual minus intended start.
            latency_s: From the intended start to the answer.
            message: What went wrong.
        """
        measured_s = due_s - self._warmup_s
        lag_us, latency_us = (min(MOST_US, max(0, round(s * 1e6))) for s in (lag_s, latency_s))
        self._rows.append((measured_s, lag_us, latency_us, kind, int(outcome), self._worker))
        self.recorded += 1
        if measured_s >= 0 and outcome not in (Outcome.DROPPED, Outcome.UNFINISHED):
            label = self._labels[kind]
            self.histograms.record(label, outcome, lag_us=lag_us, latency_us=latency_us)
        if message and (message in self._messages or len(self._messages) < _MOST_MESSAGES):
            self._messages[message] += 1

    def take_rows(self) -> bytes:
        """The rows since the last call, in the form of ``SAMPLE``."""
        rows, self._rows = self._rows, []
        return np.array(rows, dtype=SAMPLE).tobytes()

    def summary(self) -> dict[str, Any]:
        """What is sent once, at the end."""
        return {
            "histograms": self.histograms.encoded(),
            "messages": dict(self._messages),
            "recorded": self.recorded,
        }
