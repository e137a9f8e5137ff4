"""A policy: thresholds, grades, attribute weights and rules, as frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from packshot.contracts import ATTRIBUTES
from packshot.errors import InvalidPolicyError
from packshot.policy.rules import Rule, Severity, Text


@dataclass(frozen=True, kw_only=True)
class ScoreThresholds:
    """Where the overall score (0-100) accepts and rejects; between them it is for review.

    Attributes:
        accept: Scores from here on are accepted, if surely so.
        reject: Scores under this are rejected, if surely so.
    """

    accept: float
    reject: float

    def __post_init__(self) -> None:
        if not 0 <= self.reject <= self.accept <= 100:
            raise InvalidPolicyError(
                f"score has reject = {self.reject:g} and accept = {self.accept:g}; expected "
                "0 <= reject <= accept <= 100"
            )


@dataclass(frozen=True, kw_only=True)
class Grades:
    """From which score (0-100) a photo is high, and from which medium; below it is low."""

    high: float
    medium: float

    def __post_init__(self) -> None:
        if not 0 <= self.medium <= self.high <= 100:
            raise InvalidPolicyError(
                f"grades has medium = {self.medium:g} and high = {self.high:g}; expected "
                "0 <= medium <= high <= 100"
            )

    def of(self, score: float) -> str:
        """``high``, ``medium`` or ``low``."""
        if score >= self.high:
            return "high"
        return "medium" if score >= self.medium else "low"


@final
@dataclass(frozen=True, kw_only=True)
class AttributeLimits:
    """What a policy makes of one attribute (0-1, 1 is good).

    Attributes:
        weight: 0-1, its importance among reasons; 0 leaves the attribute out of the verdict.
        fail_below: Under this the attribute alone has ``severity``.
        advise_below: Under this it earns advice.
        severity: Severity under ``fail_below``. ``review`` becomes ``reject`` in the reason where
            the score rejects the photo anyway.
    """

    weight: float
    fail_below: float
    advise_below: float
    severity: Severity = "review"

    def __post_init__(self) -> None:
        if not 0 <= self.fail_below <= self.advise_below <= 1:
            raise InvalidPolicyError(
                f"has fail_below = {self.fail_below:g} and advise_below = {self.advise_below:g}; "
                "expected 0 <= fail_below <= advise_below <= 1"
            )


@final
@dataclass(frozen=True, kw_only=True)
class Policy:
    """Everything that turns scores and facts into a decision.

    Attributes:
        name: How requests name it.
        title: For people.
        score: Thresholds on the overall score.
        grades: High, medium and low.
        attributes: Limits by attribute, one for each of ``packshot.contracts.ATTRIBUTES``.
        rules: Demands on image facts.
    """

    name: str
    title: Text
    score: ScoreThresholds
    grades: Grades
    attributes: Mapping[str, AttributeLimits]
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        if set(self.attributes) != set(ATTRIBUTES):
            missing = ", ".join(sorted(set(ATTRIBUTES) - set(self.attributes))) or "none"
            raise InvalidPolicyError(
                f"policy {self.name!r} must set all attributes; missing: {missing}. "
                'Add extends = "default" to take the others from there'
            )
        if not any(limits.weight for limits in self.attributes.values()):
            raise InvalidPolicyError(
                f"policy {self.name!r} has weight 0 for every attribute; give one more than 0"
            )
