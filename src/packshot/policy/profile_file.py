"""A policy read from its TOML file, on top of the policy it extends."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar, cast

from packshot.contracts import ATTRIBUTES
from packshot.errors import InvalidPolicyError
from packshot.policy.profile import AttributeLimits, Grades, Policy, ScoreThresholds
from packshot.policy.rules import CONFIDENCES, SEVERITIES, Confidence, Rule, Severity, Text
from packshot.policy.toml_file import TomlTable, read_toml

_SCHEMA: Final = 1
_LARGEST: Final = 1e15
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_KEYS: Final = (
    "schema", "name", "title", "extends", "remove_rules", "score", "grades", "attributes", "rules",
)  # fmt: skip
_RULE_KEYS: Final = (
    "id", "quantity", "minimum", "maximum", "allowed", "severity", "weight", "source",
    "effective_from", "effective_until", "confidence", "message",
)  # fmt: skip

_BuiltT = TypeVar("_BuiltT")


def read_profile(path: Path) -> TomlTable:
    """Read a policy file and check its head: schema, name and keys.

    Raises:
        InvalidPolicyError: Not a readable policy file.
    """
    root = read_toml(path)
    root.only(_KEYS)
    if root.number("schema", 1, default=_SCHEMA) != _SCHEMA:
        raise root.error("schema", f"is {root.values['schema']}; expected {_SCHEMA}")
    name = root.text_at("name")
    if not _NAME.fullmatch(name):
        raise root.error(
            "name", f"is {name!r}; expected small letters, digits, '-' and '_', such as my_shop"
        )
    return root


def build_policy(root: TomlTable, base: Policy | None) -> Policy:
    """A policy from its file and the policy it extends.

    Thresholds, grades and attributes of the file replace those of ``base`` key by key. Rules are
    added; one with the id of an inherited rule replaces it, and ``remove_rules`` takes some away.

    Args:
        root: The file, from ``read_profile``.
        base: The policy that ``extends`` names, or None.

    Returns:
        The policy.

    Raises:
        InvalidPolicyError: Something in the file cannot be used; names file, line and key.
    """
    name = root.text_at("name")
    title = Text(en=name, zh=name)
    if "title" in root.values:
        title = _text(root.table("title"))
    score, grades, limits = root.table("score"), root.table("grades"), root.table("attributes")
    score.only(("accept", "reject"))
    grades.only(("high", "medium"))
    limits.only(ATTRIBUTES)
    attributes = {
        attribute: _limits(limits.table(attribute), base.attributes[attribute] if base else None)
        for attribute in ATTRIBUTES
        if base or attribute in limits.values
    }
    return _built(
        root,
        lambda: Policy(
            name=name,
            title=title,
            score=_built(
                score,
                lambda: ScoreThresholds(
                    accept=score.number("accept", 0, 100, base and base.score.accept),
                    reject=score.number("reject", 0, 100, base and base.score.reject),
                ),
            ),
            grades=_built(
                grades,
                lambda: Grades(
                    high=grades.number("high", 0, 100, base and base.grades.high),
                    medium=grades.number("medium", 0, 100, base and base.grades.medium),
                ),
            ),
            attributes=attributes,
            rules=_rules(root, base.rules if base else ()),
        ),
    )


def _limits(table: TomlTable, base: AttributeLimits | None) -> AttributeLimits:
    table.only(("weight", "fail_below", "advise_below", "severity"))
    severity: str = base.severity if base else "review"
    if "severity" in table.values:
        severity = table.choice("severity", SEVERITIES)
    return _built(
        table,
        lambda: AttributeLimits(
            weight=table.number("weight", 0, 1, base and base.weight),
            fail_below=table.number("fail_below", 0, 1, base and base.fail_below),
            advise_below=table.number("advise_below", 0, 1, base and base.advise_below),
            severity=cast(Severity, severity),
        ),
    )


def _rules(root: TomlTable, inherited: tuple[Rule, ...]) -> tuple[Rule, ...]:
    rules = {rule.id: rule for rule in inherited}
    for removed in root.texts("remove_rules"):
        if removed not in rules:
            known = ", ".join(rules) or "none"
            raise root.error("remove_rules", f"names {removed!r}; inherited rules are: {known}")
        del rules[removed]
    own: set[str] = set()
    for table in root.tables("rules"):
        rule = _rule(table)
        if rule.id in own:
            raise table.error("id", f"is {rule.id!r}, which an earlier rule of this file has")
        own.add(rule.id)
        rules[rule.id] = rule
    return tuple(rules.values())


def _rule(table: TomlTable) -> Rule:
    table.only(_RULE_KEYS)
    values = table.values
    allowed = values.get("allowed", [])
    if not isinstance(allowed, list) or not all(isinstance(v, (bool, str)) for v in allowed):
        raise table.error("allowed", f"is {allowed!r}; expected a list of true, false or texts")
    return _built(
        table,
        lambda: Rule(
            id=table.text_at("id"),
            quantity=table.text_at("quantity"),
            minimum=table.number("minimum", -_LARGEST, _LARGEST) if "minimum" in values else None,
            maximum=table.number("maximum", -_LARGEST, _LARGEST) if "maximum" in values else None,
            allowed=tuple(allowed),
            severity=cast(Severity, table.choice("severity", SEVERITIES)),
            weight=table.number("weight", 0, 1, 0.5),
            source=table.text_at("source"),
            effective_from=table.day("effective_from"),
            effective_until=table.day("effective_until") if "effective_until" in values else None,
            confidence=cast(Confidence, table.choice("confidence", CONFIDENCES)),
            message=_text(table.table("message")) if "message" in values else None,
        ),
    )


def _text(table: TomlTable) -> Text:
    table.only(("en", "zh"))
    text = Text(en=table.text_at("en"), zh=table.text_at("zh"))
    _check_placeholders(table, "en", text.en)
    _check_placeholders(table, "zh", text.zh)
    return text


def _check_placeholders(table: TomlTable, key: str, words: str) -> None:
    try:
        words.format(measured="", expected="")
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise table.error(
            key, f"has a bad placeholder ({error}); only {{measured}} and {{expected}} are known"
        ) from error


def _built(table: TomlTable, build: Callable[[], _BuiltT]) -> _BuiltT:
    """Build a checked dataclass, adding the place in the file to what it complains of."""
    try:
        return build()
    except InvalidPolicyError as error:
        if str(error).startswith(str(table.path)):
            raise
        raise table.error(None, f"cannot be used: {error}") from error
