"""The comparison's steps, with loads whose outcome is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from packshot_loadtest.peers import comparison
from packshot_loadtest.peers.catalogue import PACKSHOT
from packshot_loadtest.peers.record import markdown
from packshot_loadtest.peers.settings import ComparisonSettings
from packshot_loadtest.step_record import StepRecord

LATE, PROMPT = (False, 900.0), (True, 60.0)


@contextmanager
def server_of(_: Path) -> Iterator[SimpleNamespace]:
    kind = SimpleNamespace(label="score")
    yield SimpleNamespace(
        name=PACKSHOT,
        target=None,
        kind=kind,
        metrics="",
        cold_start_s=1.0,
        memory_mib=lambda: 100.0,
    )


@pytest.mark.parametrize(
    ("loads", "p99_ms"), [([PROMPT], 60.0), ([LATE, LATE, PROMPT], 60.0), ([LATE] * 3, None)]
)
def test_a_load_that_was_late_is_sent_again_and_never_counts(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    loads: list[tuple[bool, float]],
    p99_ms: float | None,
) -> None:
    left = iter(loads)

    def execute(*_: Any, **__: Any) -> SimpleNamespace:
        valid, p99 = next(left)
        everything = {"latency_ms": {"p50": 20.0, "p99": p99}, "error_share": 0.0}
        return SimpleNamespace(valid=valid, interrupted=False, summary={"all": everything})

    monkeypatch.setattr(comparison, "packshot_server", server_of)
    monkeypatch.setattr(comparison, "known_answers", lambda *_: [])
    monkeypatch.setattr(comparison, "execute", execute)
    settings = ComparisonSettings(
        repository=tmp_path,
        source=tmp_path,
        environments=tmp_path,
        peers=(),
        tables=("same",),
        rate=12.0,
        repeats=1,
    )
    record = StepRecord(path=None)
    measured = comparison.Comparison(settings, record, progress=print)
    assert measured.run(until_s=float("inf"))
    assert record.steps[f"same.{PACKSHOT}.equal.0"]["p99_ms"] == p99_ms
    assert next(left, None) is None
    row = next(
        line
        for line in markdown(record, [("same", "")], [PACKSHOT]).splitlines()[::-1]
        if PACKSHOT in line
    )
    assert ("60.0" in row) == (p99_ms is not None)
    assert "900" not in row
