"""A variant measured on the real models: it is what the server runs, and every number is there."""

from __future__ import annotations

from pathlib import Path

from packshot_loadtest.step_record import StepRecord
from packshot_loadtest.tuning.comparison import TuningComparison
from packshot_loadtest.tuning.settings import TuningSettings
from packshot_loadtest.tuning.table import markdown
from packshot_loadtest.tuning.variants import parse_variants


def test_a_variant_is_served_and_measured(repository: Path) -> None:
    *_, variant = parse_variants(["slim=quality_net:instances=1,decode_image:-queue_policy"])
    settings = TuningSettings(
        repository=repository,
        variants=(variant,),
        rates=(4.0,),
        repeats=1,
        duration_s=1.5,
        closed_s=0.5,
        warmup_s=0.5,
        max_lag_ms=5000.0,
    )
    record = StepRecord(path=None)
    told: list[str] = []
    TuningComparison(settings, progress=told.append).run(record)
    assert told == ["step 1 of 2: in-process.0", "step 2 of 2: slim.0"]
    step = record.steps["slim.0"]
    served = step["served"]
    assert served["quality_net"]["instance_group"][0]["count"] == 1
    assert served["quality_verdict"]["instance_group"][0]["count"] == 2
    assert "default_queue_policy" in served["quality_net"]["dynamic_batching"]
    assert "default_queue_policy" not in served["decode_image"]["dynamic_batching"]
    run = step["rates"]["4"]
    assert run["valid"], run["reasons"]
    assert run["planned"] == len(run["latencies_ms"]) > 0
    assert run["failed"] == run["wrong"] == 0
    assert 0 < run["p50_ms"] <= run["p99_ms"]
    assert step["lone_ms"] > 0
    assert step["in_flight_per_s"] > 0
    assert step["closed_loop_errors"] == 0
    # Three Python processes at least, each with its network or its libraries.
    assert step["memory_mib"] > 50
    assert "| slim | " in markdown(record, settings)
