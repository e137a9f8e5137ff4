"""From scores and facts to a verdict, by a policy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from packshot.contracts import ATTRIBUTES, SCORE_RANGE, Decision
from packshot.errors import ContractError
from packshot.policy.advice import advise
from packshot.policy.profile import Policy
from packshot.policy.quantities import QUANTITIES
from packshot.policy.rules import SEVERITY_RANK, Breach, Severity, Text
from packshot.policy.texts import reason_texts
from packshot.policy.verdict import Reason, Verdict

_DECISIONS: Final[Mapping[Severity, Decision]] = {
    "reject": "reject",
    "review": "review",
    "advise": "accept",
}
_DIGITS: Final = 4


@dataclass(frozen=True, kw_only=True)
class _Finding:
    """A reason, and what advice it asks for."""

    reason: Reason
    subject: str


def judge(
    *,
    score: float,
    uncertainty: float,
    attributes: Mapping[str, float],
    facts: Mapping[str, Any],
    policy: Policy,
    today: date | None = None,
    quality_map: Sequence[Sequence[Sequence[float]]] | None = None,
) -> Verdict:
    """Judge a photo by a policy.

    The score accepts from ``accept`` on and rejects under ``reject``, each only when it is further
    from that threshold than its own uncertainty; otherwise a person decides. A low attribute or a
    broken rule adds its severity. The gravest severity is the decision.

    Args:
        score: Overall quality, 0-100.
        uncertainty: Expected absolute error of ``score``, in points, >= 0.
        attributes: All of ``packshot.contracts.ATTRIBUTES``, each 0-1, 1 is good;
            ``composition`` is the facts' ``composition.score``.
        facts: The FACTS object. Rules on what it lacks, or has as null, do not apply.
        policy: The policy.
        today: The day to judge on, for rules that begin or end; None is the current day.
        quality_map: [7][7][7], learned attribute, row, column, each 0-1; carried along.

    Returns:
        The verdict, its reasons by falling weight.

    Raises:
        ContractError: A score or attribute is missing, out of range or not a number.
    """
    _check(score, uncertainty, attributes)
    values = {name: round(float(attributes[name]), _DIGITS) for name in ATTRIBUTES}
    score, uncertainty = round(float(score), _DIGITS), round(float(uncertainty), _DIGITS)
    findings = _score_findings(score, uncertainty, policy)
    rejected = any(finding.reason.severity == "reject" for finding in findings)
    findings += _attribute_findings(values, policy, rejected)
    day = today or date.today()
    for rule in policy.rules:
        if rule.in_force(day) and (breach := rule.breach(facts)):
            findings.append(_rule_finding(breach))
    findings.sort(key=lambda finding: -finding.reason.weight)
    reasons = tuple(finding.reason for finding in findings)
    return Verdict(
        decision=_DECISIONS[reasons[0].severity] if reasons else "accept",
        policy=policy.name,
        score=score,
        uncertainty=uncertainty,
        grade=policy.grades.of(score),
        attributes=values,
        worst_attribute=min(
            (name for name in ATTRIBUTES if policy.attributes[name].weight > 0),
            key=values.__getitem__,
        ),
        reasons=reasons,
        advice=advise((finding.subject for finding in findings), values, facts),
        image=facts,
        quality_map=_rounded(quality_map),
    )


def _rounded(
    quality_map: Sequence[Sequence[Sequence[float]]] | None,
) -> list[list[list[float]]] | None:
    if quality_map is None:
        return None
    return [[[round(float(value), 2) for value in row] for row in plane] for plane in quality_map]


def _check(score: float, uncertainty: float, attributes: Mapping[str, float]) -> None:
    low, high = SCORE_RANGE
    # The comparisons are false for NaN too.
    if not low <= score <= high:
        raise ContractError(f"The score is {score}; expected a number from {low:g} to {high:g}.")
    if not 0 <= uncertainty < math.inf:
        raise ContractError(f"The uncertainty is {uncertainty}; expected score points >= 0.")
    missing = [name for name in ATTRIBUTES if name not in attributes]
    if missing:
        raise ContractError(f"Attributes are missing: {', '.join(missing)}; expected all eight.")
    for name in ATTRIBUTES:
        if not 0 <= attributes[name] <= 1:
            raise ContractError(f"{name} is {attributes[name]}; expected a number from 0 to 1.")


def _score_findings(score: float, uncertainty: float, policy: Policy) -> list[_Finding]:
    accept, reject = policy.score.accept, policy.score.reject
    if score - uncertainty >= accept:
        return []
    severity: Severity = "review"
    if score + uncertainty < reject:
        rule, kind, severity = "score.min", "reject", "reject"
    elif abs(score - accept) <= uncertainty or abs(score - reject) <= uncertainty:
        rule, kind = "score.uncertain", "uncertain"
    else:
        rule, kind = "score.min", "review"
    needed = accept + uncertainty if kind == "uncertain" else accept
    reason = Reason(
        rule=rule,
        attribute=None,
        severity=severity,
        measured=score,
        expected=f"at least {needed:g}",
        message=_filled(f"score.{kind}", f"{score:.1f}", _at_least(f"{needed:.1f}")),
        source=f"policy {policy.name}",
        weight=_weight(severity, 1.0, 1.0),
    )
    return [_Finding(reason=reason, subject="score")]


def _attribute_findings(
    values: Mapping[str, float], policy: Policy, rejected: bool
) -> list[_Finding]:
    findings = []
    for name, limits in policy.attributes.items():
        value = values[name]
        if limits.weight == 0 or value >= limits.advise_below:
            continue
        severity: Severity = "advise"
        limit = limits.advise_below
        if value < limits.fail_below:
            # A single low attribute calls for a look; with a rejected score it says why.
            severity = "reject" if rejected and limits.severity == "review" else limits.severity
            limit = limits.fail_below
        reason = Reason(
            rule=f"attribute.{name}",
            attribute=name,
            severity=severity,
            measured=value,
            expected=f"at least {limit:g}",
            message=_filled(f"attribute.{name}", f"{value:.2f}", _at_least(f"{limit:.2f}")),
            source=f"policy {policy.name}",
            weight=_weight(severity, limits.weight, 1.0 - value),
        )
        findings.append(_Finding(reason=reason, subject=f"attribute.{name}"))
    return findings


def _rule_finding(breach: Breach) -> _Finding:
    rule = breach.rule
    expected = rule.expected()
    shown = QUANTITIES[rule.quantity].show(breach.value)
    subject = f"quantity.{rule.quantity}"
    reason = Reason(
        rule=rule.id,
        attribute=None,
        severity=rule.severity,
        measured=breach.measured,
        expected=expected.en,
        message=_filled(subject, shown, expected, rule.message),
        source=rule.source,
        weight=_weight(rule.severity, rule.weight, 0.5 + 0.5 * breach.depth),
    )
    return _Finding(reason=reason, subject=subject)


def _weight(severity: Severity, importance: float, depth: float) -> float:
    # Under 1, so that no advice can outweigh a reason for review.
    return round(SEVERITY_RANK[severity] + min(0.999, importance * depth), 3)


def _at_least(number: str) -> Text:
    return Text(en=f"at least {number}", zh=f"至少 {number}")


def _filled(key: str, measured: str, expected: Text, template: Text | None = None) -> Text:
    text = template or reason_texts()[key]
    return Text(
        en=text.en.format(measured=measured, expected=expected.en),
        zh=text.zh.format(measured=measured, expected=expected.zh),
    )
