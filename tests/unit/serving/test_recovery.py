"""How long a killed model was away, from what callers saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from packshot.errors import ServingError
from packshot.serving.recovery import Call, Outage, RecoveryOptions, outage, report

KILLED_S = 10.0
RIGHT = 50.0


def call(sent_s: float, ended_s: float, score: float | None = RIGHT) -> Call:
    return Call(caller=0, sent_s=sent_s, ended_s=ended_s, score=score)


def test_away_until_the_first_answer_after_the_last_failure() -> None:
    calls = [
        call(12.5, 12.6),
        call(9.9, 10.1),
        call(10.2, 10.3, None),
        call(10.4, 10.5),  # By the model's other process, which goes too.
        call(11.0, 12.0, None),
        call(12.1, 12.4),
    ]
    found = outage(calls, KILLED_S, RIGHT)
    assert found.away_s == pytest.approx(2.4)
    assert (found.failed, found.answered, found.wrong) == (2, 4, 0)


def test_an_answer_to_a_call_from_before_says_nothing() -> None:
    found = outage([call(9.9, 10.1), call(10.3, 13.0)], KILLED_S, RIGHT)
    assert found.away_s == pytest.approx(3.0)


def test_wrong_answers_are_counted() -> None:
    assert outage([call(10.1, 10.2, 49.0), call(10.3, 10.4)], KILLED_S, RIGHT).wrong == 1


def test_still_away() -> None:
    with pytest.raises(ServingError, match="since its last failure"):
        outage([call(10.1, 10.2), call(10.3, 10.4, None)], KILLED_S, RIGHT)


def test_the_report_gives_median_and_worst() -> None:
    outages = [Outage(away_s=s, failed=2, answered=5, wrong=0) for s in (3.0, 1.0, 2.0)]
    said = report(outages, "quality_net")
    assert "2.0 s (median) and 3.0 s (worst) in 3 kills of quality_net" in said
    assert "6 calls failed, 15 were answered, 0 of them wrong" in said


@pytest.mark.parametrize("wrong", [{"kills": 0}, {"callers": 0}, {"pause_s": -1.0}])
def test_options_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RecoveryOptions(model_repository=Path("models"), **wrong)  # type: ignore[arg-type]
