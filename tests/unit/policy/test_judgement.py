"""Decisions, reasons by weight, and advice tied to what was measured."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from typing import Any

import pytest

from packshot.contracts import ATTRIBUTES
from packshot.errors import ContractError
from packshot.policy import Policy, Verdict, judge, load_policy, open_book
from packshot.policy.profile import ScoreThresholds

Facts = dict[str, Any]
Attributes = dict[str, float]


@pytest.fixture(scope="module")
def default() -> Policy:
    # Its own thresholds are tuned anew with each network.
    return replace(load_policy(), score=ScoreThresholds(accept=60, reject=40))


def rules_of(verdict: Verdict) -> list[str]:
    return [reason.rule for reason in verdict.reasons]


def causes_of(verdict: Verdict) -> list[str]:
    return [advice.cause for advice in verdict.advice]


@pytest.mark.parametrize(
    ("score", "uncertainty", "decision", "rule"),
    [
        (80, 5, "accept", None),
        (65, 5, "accept", None),
        (64.9, 5, "review", "score.uncertain"),
        (60, 0, "accept", None),
        (59.9, 0, "review", "score.min"),
        (60, 5, "review", "score.uncertain"),
        (56, 5, "review", "score.uncertain"),
        (50, 5, "review", "score.min"),
        (44, 5, "review", "score.uncertain"),
        (40, 0, "review", "score.uncertain"),
        (39.9, 0, "reject", "score.min"),
        (36, 5, "review", "score.uncertain"),
        (35, 5, "review", "score.uncertain"),
        (34.9, 5, "reject", "score.min"),
        (0, 5, "reject", "score.min"),
        (100, 50, "review", "score.uncertain"),
    ],
)
def test_score_and_uncertainty(
    default: Policy,
    attributes: Attributes,
    facts: Facts,
    score: float,
    uncertainty: float,
    decision: str,
    rule: str | None,
) -> None:
    verdict = judge(
        score=score, uncertainty=uncertainty, attributes=attributes, facts=facts, policy=default
    )
    assert verdict.decision == decision
    assert rules_of(verdict) == ([rule] if rule else [])
    assert bool(verdict.advice) == bool(rule)


@pytest.mark.parametrize(("score", "grade"), [(95, "high"), (70, "high"), (69, "medium"),
                                              (45, "medium"), (44, "low")])  # fmt: skip
def test_grades(
    default: Policy, attributes: Attributes, facts: Facts, score: float, grade: str
) -> None:
    verdict = judge(score=score, uncertainty=1, attributes=attributes, facts=facts, policy=default)
    assert verdict.grade == grade


@pytest.mark.parametrize("name", ATTRIBUTES[:-1])
def test_one_low_attribute_is_for_review(
    default: Policy, attributes: Attributes, facts: Facts, name: str
) -> None:
    attributes[name] = 0.2
    verdict = judge(score=90, uncertainty=3, attributes=attributes, facts=facts, policy=default)
    assert verdict.decision == "review"
    assert verdict.worst_attribute == name
    (reason,) = verdict.reasons
    assert (reason.rule, reason.attribute, reason.measured) == (f"attribute.{name}", name, 0.2)
    assert (reason.severity, reason.expected) == ("review", "at least 0.35")
    assert "0.20" in reason.message.en
    assert "0.20" in reason.message.zh
    (advice,) = verdict.advice
    assert advice.attribute == name


def test_a_middling_attribute_only_earns_advice(
    default: Policy, attributes: Attributes, facts: Facts
) -> None:
    attributes["noise"] = 0.45
    verdict = judge(score=90, uncertainty=3, attributes=attributes, facts=facts, policy=default)
    assert verdict.decision == "accept"
    assert [reason.severity for reason in verdict.reasons] == ["advise"]
    assert causes_of(verdict) == ["noise"]


def test_a_rejected_photo_names_its_low_attributes_as_reasons(
    default: Policy, attributes: Attributes, facts: Facts
) -> None:
    attributes |= {"sharpness": 0.1, "contrast": 0.3, "composition": 0.1}
    verdict = judge(score=20, uncertainty=3, attributes=attributes, facts=facts, policy=default)
    assert verdict.decision == "reject"
    assert rules_of(verdict)[:3] == ["score.min", "attribute.sharpness", "attribute.contrast"]
    assert [reason.severity for reason in verdict.reasons] == ["reject"] * 3 + ["advise"]
    assert "overall" not in causes_of(verdict)


def test_composition_alone_never_stops_a_photo(
    default: Policy, attributes: Attributes, facts: Facts
) -> None:
    attributes["composition"] = 0.0
    verdict = judge(score=90, uncertainty=3, attributes=attributes, facts=facts, policy=default)
    assert verdict.decision == "accept"


def test_reasons_fall_in_weight_and_severity_goes_first(
    attributes: Attributes, facts: Facts
) -> None:
    attributes |= {"sharpness": 0.0, "exposure": 0.1, "noise": 0.4, "resolution": 0.2}
    facts["width"] = 90
    facts["composition"] |= {"border": True, "fill_ratio": 0.3}
    for name in open_book().names:
        verdict = judge(
            score=50, uncertainty=3, attributes=attributes, facts=facts, policy=load_policy(name)
        )
        weights = [reason.weight for reason in verdict.reasons]
        assert weights == sorted(weights, reverse=True)
        order = ["reject", "review", "advise"]
        ranks = [order.index(reason.severity) for reason in verdict.reasons]
        assert ranks == sorted(ranks)
        assert verdict.decision == ("reject" if ranks[0] == 0 else "review")


@pytest.mark.parametrize(
    ("changes", "tone", "composition", "cause"),
    [
        ({"sharpness": 0.2}, {}, {}, "out_of_focus"),
        ({"sharpness": 0.2, "exposure": 0.5}, {"brightness": 0.2}, {}, "blurred_in_low_light"),
        ({"sharpness": 0.2, "resolution": 0.3}, {}, {}, "blurred_by_enlarging"),
        ({"exposure": 0.2}, {"brightness": 0.2}, {}, "too_dark"),
        ({"exposure": 0.2}, {"brightness": 0.9}, {}, "too_bright"),
        ({"exposure": 0.2}, {}, {}, "uneven_light"),
        ({"noise": 0.2}, {"brightness": 0.2}, {}, "noise_in_low_light"),
        ({"noise": 0.2}, {}, {}, "noise"),
        ({"compression": 0.2}, {}, {}, "over_compressed"),
        ({"resolution": 0.2}, {}, {}, "enlarged"),
        ({"contrast": 0.2}, {}, {}, "flat"),
        ({"colour": 0.2}, {}, {}, "unnatural_colour"),
        ({"composition": 0.3}, {}, {"fill_ratio": 0.2}, "too_small"),
        ({"composition": 0.3}, {}, {"centre_offset": 0.4}, "off_centre"),
        ({"composition": 0.3}, {}, {"touches_edge": True}, "cut_off"),
        ({"composition": 0.3}, {}, {"border": True}, "border"),
        ({"composition": 0.1}, {}, {"fill_ratio": 0.0, "centre_offset": None}, "nothing_found"),
        ({"composition": 0.3}, {}, {}, "background"),
    ],
)
def test_advice_follows_the_measured_cause(
    default: Policy,
    attributes: Attributes,
    facts: Facts,
    changes: Attributes,
    tone: Facts,
    composition: Facts,
    cause: str,
) -> None:
    facts["tone"] |= tone
    facts["composition"] |= composition
    verdict = judge(
        score=90, uncertainty=3, attributes=attributes | changes, facts=facts, policy=default
    )
    assert causes_of(verdict)[0] == cause
    assert all(advice.text.en and advice.text.zh for advice in verdict.advice)
    assert len(set(causes_of(verdict))) == len(verdict.advice)


def test_what_was_not_measured_breaks_no_rule(attributes: Attributes, facts: Facts) -> None:
    del facts["tone"]
    facts["composition"] |= {
        "background_plain": False, "fill_ratio": None, "centre_offset": None, "touches_edge": None,
        "background_whiteness": 0.0,
    }  # fmt: skip
    verdict = judge(
        score=90,
        uncertainty=3,
        attributes=attributes,
        facts=facts,
        policy=load_policy("amazon_main"),
    )
    assert rules_of(verdict) == ["amazon_main.background_plain"]
    assert "not plain" in verdict.reasons[0].message.en
    assert verdict.decision == "review"


def test_facts_may_be_empty(default: Policy, attributes: Attributes) -> None:
    verdict = judge(score=90, uncertainty=3, attributes=attributes, facts={}, policy=default)
    assert verdict.decision == "accept"


@pytest.mark.parametrize("score", [math.nan, -1, 101, math.inf])
def test_a_score_out_of_range(
    default: Policy, attributes: Attributes, facts: Facts, score: float
) -> None:
    with pytest.raises(ContractError, match="expected a number from 0 to 100"):
        judge(score=score, uncertainty=1, attributes=attributes, facts=facts, policy=default)


@pytest.mark.parametrize("uncertainty", [math.nan, -1, math.inf])
def test_an_uncertainty_out_of_range(
    default: Policy, attributes: Attributes, facts: Facts, uncertainty: float
) -> None:
    with pytest.raises(ContractError, match="uncertainty"):
        judge(score=50, uncertainty=uncertainty, attributes=attributes, facts=facts, policy=default)


def test_attributes_missing_or_out_of_range(
    default: Policy, attributes: Attributes, facts: Facts
) -> None:
    with pytest.raises(ContractError, match="noise is nan"):
        judge(score=50, uncertainty=1, attributes=attributes | {"noise": math.nan}, facts=facts,
              policy=default)  # fmt: skip
    del attributes["colour"]
    with pytest.raises(ContractError, match="missing: colour"):
        judge(score=50, uncertainty=1, attributes=attributes, facts=facts, policy=default)


def test_json_round_trip_and_schema(default: Policy, attributes: Attributes, facts: Facts) -> None:
    attributes["sharpness"] = 0.2
    quality_map = [[[0.123456] * 7 for _ in range(7)] for _ in range(7)]
    verdict = judge(
        score=55.5, uncertainty=4, attributes=attributes, facts=facts, policy=default,
        quality_map=quality_map,
    )  # fmt: skip
    text = verdict.to_json()
    values = json.loads(text)
    assert list(values) == [
        "schema", "decision", "policy", "score", "uncertainty", "grade", "attributes",
        "worst_attribute", "reasons", "advice", "image", "quality_map",
    ]  # fmt: skip
    assert values["schema"] == 1
    assert values["image"] == facts
    assert tuple(values["attributes"]) == ATTRIBUTES
    assert set(values["reasons"][0]) == {
        "rule", "attribute", "severity", "measured", "expected", "message", "source", "weight",
    }  # fmt: skip
    assert set(values["reasons"][0]["message"]) == {"en", "zh"}
    assert set(values["advice"][0]) == {"attribute", "cause", "text"}
    assert values["quality_map"][6][6][6] == 0.12
    assert Verdict.from_json(text) == verdict
    assert Verdict.from_json(text.encode()).to_json() == text


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1}', '{"schema": 1, "reasons": 3}']
)
def test_what_is_not_a_verdict(text: str) -> None:
    with pytest.raises(ContractError, match=r"verdict"):
        Verdict.from_json(text)


def test_it_is_quick_beside_writing_it_down(
    default: Policy, attributes: Attributes, facts: Facts
) -> None:
    attributes |= {"sharpness": 0.2, "noise": 0.3}
    judging, writing = [], []
    for _ in range(100):
        # Turn by turn, and of this thread alone: the machine may be busy with others.
        began = time.thread_time()
        verdict = judge(score=50, uncertainty=3, attributes=attributes, facts=facts, policy=default)
        judged = time.thread_time()
        verdict.to_json()
        judging.append(judged - began)
        writing.append(time.thread_time() - judged)
    # 0.7 times as long.
    assert min(judging) < 5 * min(writing)
