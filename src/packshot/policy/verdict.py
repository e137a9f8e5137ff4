"""The verdict on a photo, and its JSON.

    {"schema": 1, "decision": "accept|review|reject", "policy": "default",
     "score": 0-100, "uncertainty": points, "grade": "high|medium|low",
     "attributes": {name: 0-1, eight of them}, "worst_attribute": name,
     "reasons": [{"rule", "attribute", "severity", "measured", "expected",
                  "message": {"en", "zh"}, "source", "weight"}],
     "advice": [{"attribute", "cause", "text": {"en", "zh"}}],
     "image": FACTS, "quality_map": null or [7][7][7]}

Reasons come by falling weight: 2-3 reject, 1-2 review, 0-1 advise. ``quality_map`` is indexed by
learned attribute, row and column.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from packshot.contracts import Decision
from packshot.errors import ContractError
from packshot.policy.rules import Severity, Text

SCHEMA: Final = 1
"""Version of the verdict's JSON."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Something that the policy holds against a photo.

    Attributes:
        rule: ``score.min``, ``score.uncertain``, ``attribute.<name>`` or the id of a rule.
        attribute: The attribute it is about, or None.
        severity: What it means for the decision.
        measured: What was measured.
        expected: What the policy asks for.
        message: A sentence for people.
        source: Where the demand comes from.
        weight: 0-3; the larger, the more it matters.
    """

    rule: str
    attribute: str | None
    severity: Severity
    measured: float | str | None
    expected: str
    message: Text
    source: str
    weight: float


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to do about a measured cause."""

    attribute: str | None
    cause: str
    text: Text


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The decision on one photo; see the module for the JSON that it becomes."""

    decision: Decision
    policy: str
    score: float
    uncertainty: float
    grade: str
    attributes: Mapping[str, float]
    worst_attribute: str
    reasons: tuple[Reason, ...]
    advice: tuple[Advice, ...]
    image: Mapping[str, Any]
    quality_map: Sequence[Sequence[Sequence[float]]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready objects in the documented order."""
        return {
            "schema": SCHEMA,
            "decision": self.decision,
            "policy": self.policy,
            "score": self.score,
            "uncertainty": self.uncertainty,
            "grade": self.grade,
            "attributes": dict(self.attributes),
            "worst_attribute": self.worst_attribute,
            "reasons": [asdict(reason) for reason in self.reasons],
            "advice": [asdict(advice) for advice in self.advice],
            "image": dict(self.image),
            "quality_map": self.quality_map,
        }

    def to_json(self) -> str:
        """Compact JSON, the content of the ``VERDICT`` tensor."""
        return json.dumps(
            self.to_dict(), ensure_ascii=False, separators=(",", ":"), allow_nan=False
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Verdict:
        """Read back what ``to_json`` wrote.

        Raises:
            ContractError: Not a verdict, or one of another schema.
        """
        try:
            values = json.loads(text)
            schema = values.pop("schema")
            if schema != SCHEMA:
                raise ContractError(f"The verdict has schema {schema}; expected {SCHEMA}.")
            values["reasons"] = tuple(
                Reason(**{**reason, "message": Text(**reason["message"])})
                for reason in values["reasons"]
            )
            values["advice"] = tuple(
                Advice(**{**advice, "text": Text(**advice["text"])}) for advice in values["advice"]
            )
            return cls(**values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ContractError(f"Not a verdict in JSON: {error!r}.") from error
