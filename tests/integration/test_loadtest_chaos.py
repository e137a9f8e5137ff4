"""Chaos scenarios on the real models: each breaks something, and has its verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from packshot_loadtest.errors import ScenarioError
from packshot_loadtest.generator.launch import GeneratorOptions
from packshot_loadtest.scenarios.judgement import Judgement
from packshot_loadtest.scenarios.scenarios import SCENARIOS, ScenarioSettings


@pytest.fixture
def run_scenario(repository: Path) -> Callable[..., Judgement]:
    """Runs one for some seconds, patiently: the machine may be busy."""

    def run(name: str) -> Judgement:
        duration_s = 14.0
        while True:
            settings = ScenarioSettings(
                repository=repository,
                rate=2.0,
                duration_s=duration_s,
                warmup_s=1.0,
                timeout_s=30.0,
                p99_ms=20_000.0,
                recovery_s=12.0,
                max_lag_ms=5000.0,
            )
            # A busy machine may take so long to mend that the load is over, which shows nothing.
            try:
                judged = SCENARIOS[name](settings, GeneratorOptions(), lambda _: None)
                last_s = max(at_s for at_s, _ in judged.result.events)
                if judged.passed or last_s < duration_s - 2.0:
                    return judged
            except ScenarioError as error:
                if "the load ended before" not in str(error):
                    raise
            duration_s *= 2

    return run


@pytest.mark.parametrize("name", ["reload", "slow-network"])
def test_nothing_is_lost(run_scenario: Callable[..., Judgement], name: str) -> None:
    judged = run_scenario(name)
    assert judged.passed, judged.findings


@pytest.mark.parametrize(
    ("name", "broken"), [("kill-backend", "kill backend"), ("restart", "kill server")]
)
def test_what_breaks_is_seen_and_passes(
    run_scenario: Callable[..., Judgement], name: str, broken: str
) -> None:
    judged = run_scenario(name)
    assert judged.passed, judged.findings
    assert broken in [what for _, what in judged.result.events]
    # With nothing lost the scenario would have broken nothing.
    assert judged.result.summary["all"]["error_share"] > 0
