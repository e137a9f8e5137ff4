"""Variants measured on the real models: they are what the server runs, every number is there."""

from __future__ import annotations

from pathlib import Path

from packshot_loadtest.step_record import StepRecord
from packshot_loadtest.tuning.comparison import TuningComparison
from packshot_loadtest.tuning.settings import TuningSettings
from packshot_loadtest.tuning.table import markdown
from packshot_loadtest.tuning.variants import parse_variants


def test_variants_are_served_and_measured(repository: Path) -> None:
    _, *variants = parse_variants(
        [
            "slim=quality:instances=1,quality:threads=1,quality:-queue_policy",
            "three=quality_net:instances=1,decode_image:-queue_policy,quality:config=tensorrt",
        ]
    )
    settings = TuningSettings(
        repository=repository,
        variants=tuple(variants),
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
    names = ("in-process", "slim", "three")
    assert told == [f"step {n} of 3: {name}.0" for n, name in enumerate(names, start=1)]
    for variant in variants:
        step = record.steps[f"{variant.name}.0"]
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
        assert f"| {variant.name} | " in markdown(record, settings)

    one = record.steps["slim.0"]["served"]
    assert one.keys() == {"quality", "quality_net"}
    assert one["quality"]["instance_group"][0]["count"] == 1
    assert one["quality"]["parameters"]["threads"]["string_value"] == "1"
    assert "default_queue_policy" not in one["quality"]["dynamic_batching"]
    three = record.steps["three.0"]["served"]
    assert three.keys() == {"decode_image", "quality_net", "quality_verdict", "quality"}
    assert "instance_group" not in three["quality"]
    assert three["quality_net"]["instance_group"][0]["count"] == 1
    assert three["quality_verdict"]["instance_group"][0]["count"] == 2
    assert "default_queue_policy" in three["quality_net"]["dynamic_batching"]
    assert "default_queue_policy" not in three["decode_image"]["dynamic_batching"]
