"""Policies of one's own: added without code, refused with the line and the reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from packshot.errors import InvalidPolicyError, UnknownPolicyError
from packshot.policy import judge, load_policy, open_book

Write = Callable[..., Path]

RULE = """
[[rules]]
id = "mine.width"
quantity = "width"
minimum = 3000
severity = "reject"
source = "our shop"
effective_from = 2025-06-01
confidence = "high"
"""


def test_a_policy_that_extends_another(
    write: Write, facts: dict[str, Any], attributes: dict[str, float]
) -> None:
    path = write(
        'name = "mine"\nextends = "google"\nremove_rules = ["google.bytes"]\n'
        "[score]\naccept = 75\n[attributes]\nnoise = { weight = 0 }\n" + RULE
    )
    policy = open_book([path]).get("mine")
    google = load_policy("google")
    assert (policy.score.accept, policy.score.reject) == (75, google.score.reject)
    assert policy.grades == google.grades
    assert policy.attributes["sharpness"] == google.attributes["sharpness"]
    ids = {rule.id for rule in policy.rules}
    assert ids == {rule.id for rule in google.rules} - {"google.bytes"} | {"mine.width"}
    attributes["noise"] = 0.0
    verdict = judge(score=90, uncertainty=2, attributes=attributes, facts=facts, policy=policy)
    assert [reason.rule for reason in verdict.reasons] == ["mine.width"]
    assert verdict.worst_attribute != "noise"


def test_a_folder_of_policies_and_the_cached_way_in(write: Write) -> None:
    folder = write('name = "one"\nextends = "two"\n', "one.toml").parent
    write('name = "two"\nextends = "default"\n[grades]\nhigh = 99\n', "two.toml")
    write("not a policy", "notes.txt")
    assert {"one", "two"} <= set(open_book([folder]).names)
    assert load_policy("one", folder).grades.high == 99
    assert load_policy("one", folder) is load_policy("one", folder)
    with pytest.raises(UnknownPolicyError, match="one, shopify"):
        load_policy("three", folder)


def test_a_rule_of_the_same_id_replaces_the_inherited(write: Write) -> None:
    path = write(
        'name = "mine"\nextends = "default"\n' + RULE.replace("mine.width", "default.border")
    )
    rules = {rule.id: rule for rule in open_book([path]).get("mine").rules}
    assert rules["default.border"].quantity == "width"


def test_own_words(write: Write, facts: dict[str, Any], attributes: dict[str, float]) -> None:
    message = 'message = { en = "Too narrow: {measured}, {expected}!", zh = "太窄:{measured}" }\n'
    policy = open_book([write('name = "mine"\nextends = "default"\n' + RULE + message)]).get("mine")
    (reason,) = judge(
        score=90, uncertainty=2, attributes=attributes, facts=facts, policy=policy
    ).reasons
    assert reason.message.en == "Too narrow: 2100 px, at least 3000 px!"
    assert reason.message.zh == "太窄:2100 px"


@pytest.mark.parametrize(
    ("today", "count"),
    [(date(2025, 5, 31), 0), (date(2025, 6, 1), 1), (date(2025, 7, 1), 1), (date(2025, 7, 2), 0)],
)
def test_rules_have_a_first_and_a_last_day(
    write: Write, facts: dict[str, Any], attributes: dict[str, float], today: date, count: int
) -> None:
    until = "effective_until = 2025-07-01\n"
    text = 'name = "mine"\nextends = "default"\n' + RULE + until
    policy = open_book([write(text)]).get("mine")
    verdict = judge(
        score=90, uncertainty=2, attributes=attributes, facts=facts, policy=policy, today=today
    )
    assert len([reason for reason in verdict.reasons if reason.rule == "mine.width"]) == count


HEAD = 'name = "mine"\nextends = "default"\n'


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('name = "mine', 1, "not valid TOML"),
        ('name = "mine\n', 1, "not valid TOML"),
        (HEAD + RULE.replace("3000", "inf"), 7, "minimum is inf; expected a number"),
        ("", None, "name is missing; expected text in quotes"),
        ("name = 3", 1, "name is 3; expected text in quotes"),
        ('name = "My Shop"', 1, "name is 'My Shop'; expected small letters"),
        ('schema = 2\nname = "mine"', 1, "schema is 2"),
        (HEAD + 'extend = "x"', 3, "extend is not known here; did you mean 'extends'"),
        ('name = "mine"\nextends = "nobody"', 2, "names 'nobody', which is not known; known: ali"),
        ('name = "mine"\nextends = "mine"', 2, "circle: mine -> mine"),
        ('name = "mine"', None, "accept is missing; expected a number"),
        (HEAD + "[score]\n\naccept = 160", 5, "score.accept is 160; expected a number from 0"),
        (HEAD + '[score]\naccept = "60"', 4, "score.accept is '60'; expected a number"),
        (HEAD + "[score]\naccept = true", 4, "score.accept is True; expected a number"),
        (HEAD + "[score]\naccept = nan", 4, "score.accept is nan; expected a number"),
        (HEAD + "[score]\naccept = 30", 3, "reject = 45 and accept = 30"),
        (HEAD + "[score]\nacept = 30", 4, "did you mean 'accept'"),
        (HEAD + "[grades]\nhigh = 20", 3, "medium = 45 and high = 20"),
        (HEAD + "score = 3", 3, "score is 3; expected a table"),
        (HEAD + "[attributes]\nsharpnes = {}", 4, "did you mean 'sharpness'"),
        (HEAD + "[attributes]\nnoise = { weight = 2 }", 4, "noise.weight is 2; expected a"),
        (HEAD + "[attributes.noise]\nfail_below = 0.9", 3, "fail_below = 0.9 and advise_below"),
        (HEAD + "[attributes.noise]\nseverity = 'x'", 4, "severity is 'x'; expected reject"),
        (HEAD + 'remove_rules = ["nope"]', 3, "names 'nope'; inherited rules are: default.short"),
        (HEAD + "remove_rules = [3]", 3, "holds 3; expected texts"),
        (HEAD + "rules = [3]", 3, r"expected tables, written [[rules]]"),
        (HEAD + RULE.replace("3000", '"big"'), 7, "rules[1].minimum is 'big'; expected a number"),
        (HEAD + RULE.replace('"width"', '"widht"'), 4, "quantity is 'widht'; expected one of"),
        (HEAD + RULE.replace("minimum = 3000", ""), 4, "width is a number; expected minimum"),
        (HEAD + RULE + "maximum = 10", 4, "minimum 3000 is above maximum 10"),
        (HEAD + RULE + "allowed = [true]", 4, "width is a number"),
        (HEAD + RULE.replace('"width"', '"border"'), 4, "border is a flag; expected allowed"),
        (HEAD + RULE + "allowed = 3", 12, "allowed is 3; expected a list"),
        (HEAD + RULE.replace('"reject"', '"ban"'), 8, "severity is 'ban'; expected reject or"),
        (HEAD + RULE.replace('"high"', '"sure"'), 11, "confidence is 'sure'; expected high or"),
        (HEAD + RULE.replace('source = "our shop"', ""), 4, "source is missing"),
        (HEAD + RULE.replace('"our shop"', '" "'), 9, "source is empty"),
        (HEAD + RULE.replace("2025-06-01", '"2025-06-01"'), 10, "expected a date such as"),
        (HEAD + RULE.replace("2025-06-01", "2025-06-01T10:00:00"), 10, "expected a date such as"),
        (HEAD + RULE + "effective_until = 2025-01-01", 4, "is before effective_from"),
        (HEAD + RULE + "weight = -1", 12, "weight is -1; expected a number from 0 to 1"),
        (HEAD + RULE + RULE, 14, "id is 'mine.width', which an earlier rule"),
        (HEAD + RULE + 'message = { en = "a" }', 12, "message.zh is missing"),
        (HEAD + RULE + 'message = { en = "{a}", zh = "b" }', 12, "only {measured} and {expected}"),
        (HEAD + RULE + 'message = { en = "{", zh = "b" }', 12, "bad placeholder"),
        (HEAD + RULE + RULE.replace("3000", '"b"').replace("mine.", "x."), 16, "rules[2].minimum"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_with_line_and_reason(
    write: Write, text: str, line: int | None, words: str
) -> None:
    path = write(text)
    with pytest.raises(InvalidPolicyError) as caught:
        open_book([path])
    message = str(caught.value)
    assert str(path) in message
    assert words in message
    if line is not None:
        assert f"line {line}" in message
    assert message.count(str(path)) == 1


def test_all_weights_zero(write: Write) -> None:
    names = ("sharpness", "exposure", "contrast", "colour", "noise", "compression", "resolution",
             "composition")  # fmt: skip
    text = HEAD + "[attributes]\n" + "".join(f"{name} = {{ weight = 0 }}\n" for name in names)
    with pytest.raises(InvalidPolicyError, match="weight 0 for every attribute"):
        open_book([write(text)])


def test_circles_of_two(write: Write) -> None:
    folder = write('name = "one"\nextends = "two"\n', "one.toml").parent
    write('name = "two"\nextends = "one"\n', "two.toml")
    with pytest.raises(InvalidPolicyError, match="circle: one -> two -> one"):
        open_book([folder])


def test_names_are_unique(write: Write) -> None:
    with pytest.raises(InvalidPolicyError, match=r"name is 'google', which .*google\.toml has"):
        open_book([write('name = "google"\nextends = "default"\n')])


def test_files_that_are_no_text(tmp_path: Path, write: Write) -> None:
    with pytest.raises(InvalidPolicyError, match="no such file or folder"):
        open_book([tmp_path / "missing"])
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidPolicyError, match="not UTF-8"):
        open_book([binary])
    with pytest.raises(InvalidPolicyError, match="larger than 1 MiB"):
        open_book([write("#" * 1_100_000)])
