"""Schedules: mixes, traces, photos in turn, and shares that add up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from packshot_loadtest.arrivals import Pattern
from packshot_loadtest.durations import seconds_of
from packshot_loadtest.errors import SettingsError, TraceError
from packshot_loadtest.generator.calls import Payloads, Target
from packshot_loadtest.generator.job import Job
from packshot_loadtest.mix import kind_named, parse_mix
from packshot_loadtest.settings import RunSettings, make_schedule
from packshot_loadtest.traces import read_trace, write_trace

TARGET = Target(grpc="localhost:1")


def settings_with(**changes: object) -> RunSettings:
    return RunSettings(target=TARGET, **changes)  # type: ignore[arg-type]


def test_the_mix_is_kept() -> None:
    settings = settings_with(
        mix="score=8,page=1,pixels@http=1", pattern=Pattern(rate=500), duration_s=20
    )
    schedule = make_schedule(settings, photo_count=7)
    assert [kind.label for kind in schedule.kinds] == ["score", "page", "pixels@http"]
    shares = np.bincount(schedule.arrivals["kind"]) / len(schedule.arrivals)
    np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=0.02)


def test_every_photo_comes_equally_often() -> None:
    settings = settings_with(pattern=Pattern(shape="constant", rate=70), duration_s=10, warmup_s=0)
    counts = np.bincount(make_schedule(settings, photo_count=7).arrivals["item"])
    assert counts.tolist() == [100] * 7


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_shares_of_workers_are_the_whole_schedule(workers: int) -> None:
    schedule = make_schedule(settings_with(pattern=Pattern(rate=33)), photo_count=5)
    job = Job(
        target=TARGET,
        kinds=schedule.kinds,
        arrivals=schedule.arrivals,
        payloads=Payloads(photos=(b"photo",)),
        answers={},
        warmup_s=0,
        duration_s=1,
    )
    shares = np.concatenate([job.share(index, workers) for index in range(workers)])
    np.testing.assert_array_equal(np.sort(shares, order="due_s"), schedule.arrivals)


def test_a_job_survives_disk_and_message(tmp_path: Path) -> None:
    schedule = make_schedule(settings_with(pattern=Pattern(rate=9), duration_s=2), photo_count=2)
    job = Job(
        target=Target(grpc="a:1", http="b:2", timeout_s=3, shared_memory=True, tls_ca="ca.pem"),
        kinds=schedule.kinds,
        arrivals=schedule.arrivals,
        payloads=Payloads(photos=(b"one", b"second"), views=((b"ab", b"cd"), (b"ef", b"gh"))),
        answers={},
        warmup_s=1,
        duration_s=2,
        max_in_flight=5,
    )
    job.write(tmp_path)
    for copy in (Job.read(tmp_path), Job.from_message(job.to_message())):
        np.testing.assert_array_equal(copy.arrivals, job.arrivals)
        assert copy.payloads == job.payloads
        assert (copy.target, copy.kinds, copy.max_in_flight) == (job.target, job.kinds, 5)


@pytest.mark.parametrize(
    "files", [{"tls_ca": "ca", "tls_key": "k"}, {"tls_certificate": "c", "tls_key": "k"}]
)
def test_half_of_tls_is_refused(files: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="--tls-ca"):
        Target(grpc="a:1", **files)


def test_a_trace_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    kinds = [kind_named(name) for name in ("score", "page", "score@http")]
    write_trace(path, [100.0, 100.25, 102.0], kinds)
    trace = read_trace(path)
    np.testing.assert_allclose(trace.times, [0, 0.25, 2.0])
    assert list(trace.kinds) == kinds
    np.testing.assert_allclose(read_trace(path, speed=2).times, [0, 0.125, 1.0])


def test_a_replayed_trace_is_the_schedule(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("seconds,kind\n5,score\n5.5,page\n7,score\n")
    schedule = make_schedule(settings_with(trace=path, warmup_s=0), photo_count=3)
    assert schedule.arrivals["due_s"].tolist() == [0.0, 0.5, 2.0]
    assert schedule.arrivals["kind"].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seconds,kind\n1,score\n0.5,score\n", "line 3: goes back in time, from 1 to 0.5"),
        ("seconds\nsoon\n", "line 2: expected seconds as a number, got 'soon'"),
        ("seconds,kind\n0,paint\n", "line 2: unknown request kind 'paint'"),
        ("time\n0\n", "has the columns time, expected seconds"),
        ("seconds\n", "has no requests"),
        ("", r"has the columns \(none\)"),
    ],
)
def test_traces_that_cannot_be_replayed(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(TraceError, match=says):
        read_trace(path)


@pytest.mark.parametrize(
    ("mix", "says"),
    [
        ("paint", "unknown request kind"),
        ("score@ftp", "unknown protocol"),
        ("score=0", "a weight above 0"),
        ("score=lots", "a weight above 0"),
        ("score=1,score=2", "twice"),
        ("page@peer", "only asked for scores"),
    ],
)
def test_wrong_mixes(mix: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        parse_mix(mix)


@pytest.mark.parametrize("ways", [{}, {"pattern": Pattern(rate=1), "users": 2}])
def test_one_way_to_load_is_wanted(ways: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="give one of"):
        settings_with(**ways)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("250ms", 0.25), ("1.5m", 90), ("1h30m", 5400), ("0s", 0)]
)
def test_times_as_people_write_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "-3s", "1m?"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(SettingsError, match="expected a time"):
        seconds_of(text)
