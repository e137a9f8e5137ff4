"""The shipped policies say what issue 3 says, from the day they say it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from packshot.contracts import ATTRIBUTES
from packshot.errors import UnknownPolicyError
from packshot.policy import Verdict, judge, load_policy, open_book
from packshot.policy.quantities import QUANTITIES
from packshot.policy.texts import advice_texts, reason_texts

BEFORE, AFTER = date(2027, 1, 30), date(2027, 1, 31)
MEBIBYTE = 1024 * 1024


def verdict_on(
    policy: str, facts: dict[str, Any], attributes: dict[str, float], today: date = AFTER
) -> Verdict:
    return judge(
        score=90, uncertainty=3, attributes=attributes, facts=facts, policy=load_policy(policy),
        today=today,
    )  # fmt: skip


def test_the_shipped_names() -> None:
    assert open_book().names == (
        "alibaba", "amazon_main", "default", "ebay", "google", "shopify", "taobao",
    )  # fmt: skip


@pytest.mark.parametrize("name", open_book().names)
def test_a_faultless_photo_passes_everywhere(
    name: str, facts: dict[str, Any], attributes: dict[str, float]
) -> None:
    verdict = verdict_on(name, facts, attributes)
    assert (verdict.decision, verdict.reasons, verdict.advice) == ("accept", (), ())
    assert verdict.policy == name


@pytest.mark.parametrize("name", open_book().names)
def test_every_rule_says_where_it_comes_from(name: str) -> None:
    policy = load_policy(name)
    assert policy.title.en
    assert policy.title.zh
    for rule in policy.rules:
        assert rule.source
        assert rule.confidence in ("high", "medium", "low", "unverified")
        assert isinstance(rule.effective_from, date)
        if rule.id.split(".")[0] in ("alibaba", "taobao"):
            assert rule.confidence == "unverified"


@pytest.mark.parametrize(
    ("policy", "size", "today", "decision"),
    [
        ("google", (99, 300), BEFORE, "reject"),
        ("google", (100, 300), BEFORE, "review"),
        ("google", (249, 300), BEFORE, "review"),
        ("google", (250, 300), BEFORE, "accept"),
        ("google", (499, 900), BEFORE, "accept"),
        ("google", (499, 900), AFTER, "reject"),
        ("google", (500, 500), AFTER, "accept"),
        ("google", (8000, 8000), AFTER, "accept"),
        ("google", (8001, 8000), AFTER, "reject"),
        ("amazon_main", (300, 499), AFTER, "reject"),
        ("amazon_main", (300, 500), AFTER, "accept"),
        ("amazon_main", (900, 10_000), AFTER, "accept"),
        ("amazon_main", (900, 10_001), AFTER, "reject"),
        ("ebay", (300, 499), AFTER, "reject"),
        ("ebay", (300, 500), AFTER, "accept"),
        ("shopify", (5000, 4000), AFTER, "accept"),
        ("shopify", (5000, 4001), AFTER, "reject"),
        ("alibaba", (500, 500), AFTER, "accept"),
        ("taobao", (500, 500), AFTER, "accept"),
        ("default", (199, 900), AFTER, "review"),
    ],
)
def test_sizes(
    facts: dict[str, Any],
    attributes: dict[str, float],
    policy: str,
    size: tuple[int, int],
    today: date,
    decision: str,
) -> None:
    facts["width"], facts["height"] = size
    assert verdict_on(policy, facts, attributes, today).decision == decision


@pytest.mark.parametrize(
    ("policy", "change", "rule", "severity"),
    [
        ("google", {"bytes": 16 * MEBIBYTE + 1}, "google.bytes", "reject"),
        ("shopify", {"bytes": 20 * MEBIBYTE + 1}, "shopify.bytes", "reject"),
        ("google", {"fill_ratio": 0.74}, "google.fill_ratio", "advise"),
        ("google", {"fill_ratio": 0.91}, "google.fill_ratio", "advise"),
        ("google", {"background_whiteness": 0.5}, "google.background_whiteness", "advise"),
        (
            "amazon_main",
            {"background_whiteness": 0.9},
            "amazon_main.background_whiteness",
            "reject",
        ),
        ("amazon_main", {"fill_ratio": 0.84}, "amazon_main.fill_ratio", "review"),
        ("amazon_main", {"width": 900, "height": 999}, "amazon_main.zoom", "advise"),
        ("ebay", {"width": 1500, "height": 1599}, "ebay.long_side.advised", "advise"),
        ("ebay", {"border": True}, "ebay.border", "review"),
        ("shopify", {"width": 2047}, "shopify.short_side", "advise"),
        ("alibaba", {"width": 799}, "alibaba.short_side", "advise"),
        ("taobao", {"background_whiteness": 0.5}, "taobao.background_whiteness", "advise"),
        ("default", {"animated": True}, "default.animated", "advise"),
    ],
)
def test_one_fault_breaks_one_rule(
    facts: dict[str, Any],
    attributes: dict[str, float],
    policy: str,
    change: dict[str, Any],
    rule: str,
    severity: str,
) -> None:
    for key, value in change.items():
        (facts if key in facts else facts["composition"])[key] = value
    verdict = verdict_on(policy, facts, attributes)
    (reason,) = verdict.reasons
    assert (reason.rule, reason.severity) == (rule, severity)
    assert reason.source
    assert reason.expected
    assert reason.measured is not None
    assert "{" not in reason.message.en + reason.message.zh
    assert len(verdict.advice) == 1


def test_a_coming_rule_is_announced_and_not_enforced(
    facts: dict[str, Any], attributes: dict[str, float]
) -> None:
    facts["width"] = 400
    (reason,) = verdict_on("google", facts, attributes, BEFORE).reasons
    assert reason.severity == "advise"
    assert "from 2027-01-31" in reason.message.en
    assert "400 px" in reason.message.en
    assert reason.expected == "at least 500 px"


def test_unknown_policies_list_the_known() -> None:
    with pytest.raises(UnknownPolicyError, match=r"amazon_main, default, ebay") as caught:
        load_policy("gogle")
    assert "Did you mean 'google'" in str(caught.value)
    with pytest.raises(UnknownPolicyError) as caught:
        load_policy("x" * 10_000)
    assert len(str(caught.value)) < 300


def test_an_empty_name_is_the_default() -> None:
    assert load_policy("").name == "default"


def test_every_subject_has_words() -> None:
    reasons, advice = reason_texts(), advice_texts()
    for name in QUANTITIES:
        assert f"quantity.{name}" in reasons
    for name in ATTRIBUTES:
        assert f"attribute.{name}" in reasons
        # The last entry has no condition, so that there is always something to say.
        assert advice[f"attribute.{name}"][-1].when == ()
    for policy in open_book().policies.values():
        for rule in policy.rules:
            assert advice[f"quantity.{rule.quantity}"][-1].when == ()


def test_advice_speaks_of_things_that_exist() -> None:
    known = {*QUANTITIES, *ATTRIBUTES}
    for subject, entries in advice_texts().items():
        group, _, name = subject.partition(".")
        assert group == "score" or name in (ATTRIBUTES if group == "attribute" else QUANTITIES)
        for entry in entries:
            assert entry.text.en != entry.text.zh
            assert all(condition.of in known for condition in entry.when)
