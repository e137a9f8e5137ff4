"""SLO files: what they may say, and what a run is held to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from packshot_loadtest.errors import SloFileError
from packshot_loadtest.results.slo import check_objectives, read_slo
from packshot_loadtest.results.summary import summarise


def written(folder: Path, text: str) -> Path:
    path = folder / "slo.toml"
    path.write_text(text)
    return path


@pytest.fixture
def checks_of(tmp_path: Path, samples_with: Any, histograms_of: Any) -> Any:
    def check(text: str, latencies_ms: Any, planned: int) -> dict[str, Any]:
        samples = samples_with(latencies_ms)
        summary = summarise(
            samples,
            histograms_of(samples),
            kinds=("score",),
            planned={"score": planned},
            duration_s=10,
        )
        objectives = read_slo(written(tmp_path, text))
        checks = check_objectives(objectives, summary, samples, ("score",))
        return {f"{c.objective.kind}.{c.objective.name}": c for c in checks}

    return check


def test_a_run_is_held_to_each_objective(checks_of: Any) -> None:
    text = """
    [all]
    p50_ms = 10
    p99_ms = 50
    max_error_share = 0.05
    min_throughput = 9.5
    min_goodput_share = 0.9
    deadline_ms = 20
    [page]
    p99_ms = 1000
    """
    checks = checks_of(text, [5.0] * 90 + [100.0] * 10, planned=100)
    met = {name: check.met for name, check in checks.items()}
    assert met == {
        "all.p50_ms": True,
        "all.p99_ms": False,
        "all.max_error_share": True,
        "all.min_throughput": True,
        "all.min_goodput_share": True,
        "page.p99_ms": False,  # No page ever came, so nothing is proved about pages.
    }
    assert checks["all.p99_ms"].by() == pytest.approx(1.0, rel=0.01)
    assert checks["page.p99_ms"].measured is None


def test_what_was_planned_and_never_answered_is_an_error(checks_of: Any) -> None:
    text = "[score]\nmax_error_share = 0.05\nmin_goodput_share = 0.95\ndeadline_ms = 50\n"
    checks = checks_of(text, [5.0] * 90, planned=100)
    assert not checks["score.max_error_share"].met
    assert not checks["score.min_goodput_share"].met


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[all]\np97_ms = 3\n", "unknown key 'p97_ms', expected one of p50_ms"),
        ("[all]\np99.9_ms = 3\n", "in quotation marks"),
        ("p99_ms = 3\n", r"put it under \[all\]"),
        ("[paint]\np99_ms = 3\n", "unknown request kind 'paint'"),
        ("[all]\np99_ms = 'fast'\n", "must be a number"),
        ("[all]\np99_ms = -1\n", "must be a number of 0 or more"),
        ("[all]\nmax_error_share = 5\n", "is a share"),
        ("[all]\nmin_goodput_share = 0.9\n", "go together"),
        ("[all\n", "is no TOML file"),
        ("", "has no objectives"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SloFileError, match=says):
        read_slo(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SloFileError, match="cannot read"):
        read_slo(tmp_path / "none.toml")
