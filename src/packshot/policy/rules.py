"""One rule of a policy: a demand on a measured quantity, and when it counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from packshot.errors import InvalidPolicyError
from packshot.policy.quantities import QUANTITIES, Facts, Value

Severity = Literal["reject", "review", "advise"]
Confidence = Literal["high", "medium", "low", "unverified"]

SEVERITIES: Final[tuple[Severity, ...]] = ("reject", "review", "advise")
CONFIDENCES: Final[tuple[Confidence, ...]] = ("high", "medium", "low", "unverified")

SEVERITY_RANK: Final[dict[Severity, float]] = {"reject": 2.0, "review": 1.0, "advise": 0.0}
"""Added to a reason's own weight (0-1), so that the order by weight is that of severity first."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """The same sentence for English and Chinese readers."""

    en: str
    zh: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A demand on one quantity.

    Attributes:
        id: Unique in its policy, such as ``google.short_side``.
        quantity: A key of ``QUANTITIES``.
        minimum: Least value allowed, for numbers.
        maximum: Largest value allowed, for numbers.
        allowed: Values allowed, for flags and texts.
        severity: What breaking it means.
        weight: 0-1, importance among rules of the same severity.
        source: Where the rule is written.
        effective_from: First day it counts.
        effective_until: Last day it counts; None for no end.
        confidence: How sure we are that the source says so today: "high" where its own page was
            read, "medium" where independent guides agree, "unverified" where we have hearsay.
        message: Own words; None takes the standard ones for the quantity.
    """

    id: str
    quantity: str
    severity: Severity
    source: str
    effective_from: date
    confidence: Confidence
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[bool | str, ...] = ()
    weight: float = 0.5
    effective_until: date | None = None
    message: Text | None = None

    def __post_init__(self) -> None:
        quantity = QUANTITIES.get(self.quantity)
        if quantity is None:
            raise InvalidPolicyError(
                f"quantity is {self.quantity!r}; expected one of {', '.join(QUANTITIES)}"
            )
        bounded = self.minimum is not None or self.maximum is not None
        if quantity.kind == "number" and (not bounded or self.allowed):
            raise InvalidPolicyError(f"{self.quantity} is a number; expected minimum or maximum")
        if quantity.kind != "number":
            kind = bool if quantity.kind == "flag" else str
            if bounded or not self.allowed or not all(isinstance(v, kind) for v in self.allowed):
                wanted = "true or false" if kind is bool else "texts"
                raise InvalidPolicyError(
                    f"{self.quantity} is a {quantity.kind}; expected allowed = a list of {wanted}"
                )
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise InvalidPolicyError(
                f"minimum {self.minimum:g} is above maximum {self.maximum:g}; exchange them"
            )
        if self.effective_until is not None and self.effective_until < self.effective_from:
            raise InvalidPolicyError(
                f"effective_until {self.effective_until} is before effective_from "
                f"{self.effective_from}; exchange them"
            )

    def in_force(self, today: date) -> bool:
        """Whether the rule counts on a day."""
        if today < self.effective_from:
            return False
        return self.effective_until is None or today <= self.effective_until

    def breach(self, facts: Facts) -> Breach | None:
        """How the photo breaks this rule; None when it does not, or when nothing was measured."""
        value = QUANTITIES[self.quantity].read(facts)
        if value is None:
            return None
        if self.allowed:
            return None if value in self.allowed else Breach(rule=self, value=value, depth=1.0)
        if not isinstance(value, (int, float)):
            return None
        if self.minimum is not None and value < self.minimum:
            depth = (self.minimum - value) / max(abs(self.minimum), 1e-9)
            return Breach(rule=self, value=value, depth=min(1.0, depth))
        if self.maximum is not None and value > self.maximum:
            depth = (value - self.maximum) / max(abs(self.maximum), 1e-9)
            return Breach(rule=self, value=value, depth=min(1.0, depth))
        return None

    def expected(self) -> Text:
        """What the rule asks for, in words."""
        show = QUANTITIES[self.quantity].show
        if self.allowed:
            values = ", ".join(show(value) for value in self.allowed)
            return Text(en=values, zh=values.replace("yes", "是").replace("no", "否"))
        if self.minimum is not None and self.maximum is not None:
            low, high = show(self.minimum), show(self.maximum)
            return Text(en=f"{low} to {high}", zh=f"{low} 至 {high}")
        if self.minimum is not None:
            return Text(en=f"at least {show(self.minimum)}", zh=f"至少 {show(self.minimum)}")
        return Text(en=f"at most {show(self.maximum)}", zh=f"至多 {show(self.maximum)}")


@dataclass(frozen=True, kw_only=True)
class Breach:
    """A rule that a photo breaks.

    Attributes:
        rule: The rule.
        value: What was measured.
        depth: 0-1, how far the value is off, as a share of the limit.
    """

    rule: Rule
    value: Value
    depth: float

    @property
    def below(self) -> bool:
        """Whether the value is under the rule's minimum, and not over its maximum."""
        return self.rule.minimum is not None and self.value < self.rule.minimum  # type: ignore[operator]

    @property
    def measured(self) -> float | str:
        """The value as JSON carries it: numbers as they are, flags as ``yes`` and ``no``."""
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        return self.value
