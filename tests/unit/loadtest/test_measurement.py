"""Measurements: exact numbers, joined runs, and a round trip between processes."""

import pytest

from packshot_loadtest.measurement import Measurement, joined
from packshot_loadtest.payloads import folder_payloads, packaged_payloads
from packshot_loadtest.server_time import ModelTime, stage_times_ms


def test_throughput_and_percentiles_are_exact() -> None:
    run = Measurement(latencies_ms=tuple(float(n) for n in range(1, 101)), wall_s=4.0)
    assert run.throughput == 25.0
    assert run.percentile(50) == pytest.approx(50.5)
    assert run.percentile(99) == pytest.approx(99.01)


def test_round_trip() -> None:
    run = Measurement(latencies_ms=(1.0, 2.5), wall_s=0.5, errors=1, stages_ms={"net": 3.0})
    assert Measurement.from_json(run.to_json()) == run


def test_joined_runs_add_up_and_take_the_median_of_stages() -> None:
    runs = [
        Measurement(latencies_ms=(float(n),), wall_s=1.0, errors=n, stages_ms={"net": float(n)})
        for n in (1, 2, 9)
    ]
    together = joined(runs)
    assert together.latencies_ms == (1.0, 2.0, 9.0)
    assert together.wall_s == 3.0
    assert together.errors == 12
    assert together.stages_ms == {"net": 2.0}


def test_stage_times_are_means_between_two_readings() -> None:
    def reading(photos: int, batches: int, ms: int) -> dict[str, ModelTime]:
        ns = ms * 1_000_000
        return {
            "net": ModelTime(
                executions=batches,
                inferences=photos,
                queue=ns,
                compute_input=ns,
                compute_infer=10 * ns,
                compute_output=ns,
            )
        }

    times = stage_times_ms(reading(100, 100, 5), reading(140, 110, 45), ("net",))
    assert times == {"net.queue": 1.0, "net.compute": 10.0, "net.tensors": 2.0, "net.batch": 4.0}


def test_an_empty_folder_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="no photos"):
        folder_payloads(tmp_path)


def test_packaged_photos_are_distinct_jpegs() -> None:
    payloads = packaged_payloads(side=64)
    assert len(set(payloads)) == len(payloads) >= 5
    assert all(payload.startswith(b"\xff\xd8") for payload in payloads)
