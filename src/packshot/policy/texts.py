"""Sentences for sellers, in English and Chinese, read from the TOML files in ``texts/``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from packshot.policy.rules import Text
from packshot.policy.toml_file import TomlTable, read_toml

FOLDER: Final = Path(__file__).parent / "texts"

_REASON_GROUPS: Final = ("score", "attribute", "quantity")


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A comparison that an advice entry depends on.

    Attributes:
        of: An attribute or a quantity.
        below: Holds under this.
        above: Holds over this.
        equals: Holds at this flag.
    """

    of: str
    below: float | None = None
    above: float | None = None
    equals: bool | None = None

    def holds(self, value: float | bool | str | None) -> bool:
        """Whether the condition holds for a value; one not measured fulfils nothing."""
        if value is None or isinstance(value, str):
            return False
        if self.equals is not None:
            return value is self.equals
        if self.below is not None and not value < self.below:
            return False
        return self.above is None or value > self.above


@dataclass(frozen=True, kw_only=True)
class AdviceText:
    """One entry of ``advice.toml``.

    Attributes:
        subject: ``attribute.<name>``, ``quantity.<name>`` or ``score``.
        attribute: The attribute, where the subject is one.
        cause: Short name of the cause.
        when: All of these must hold.
        text: The advice.
    """

    subject: str
    attribute: str | None
    cause: str
    when: tuple[Condition, ...]
    text: Text


@lru_cache(maxsize=1)
def reason_texts() -> Mapping[str, Text]:
    """Sentences of reasons by ``score.<kind>``, ``attribute.<name>`` and ``quantity.<name>``.

    Raises:
        InvalidPolicyError: The file was damaged.
    """
    root = read_toml(FOLDER / "reasons.toml")
    root.only(_REASON_GROUPS)
    return {
        f"{group}.{name}": _text(root.table(group).table(name))
        for group in _REASON_GROUPS
        for name in root.table(group).values
    }


@lru_cache(maxsize=1)
def advice_texts() -> Mapping[str, tuple[AdviceText, ...]]:
    """Advice by subject, in the order of the file: the first that fits is given.

    Raises:
        InvalidPolicyError: The file was damaged.
    """
    by_subject: dict[str, tuple[AdviceText, ...]] = {}
    for table in read_toml(FOLDER / "advice.toml").tables("advice"):
        entry = _advice(table)
        by_subject[entry.subject] = (*by_subject.get(entry.subject, ()), entry)
    return by_subject


def _advice(table: TomlTable) -> AdviceText:
    table.only(("cause", "attribute", "quantity", "score", "when", "en", "zh"))
    attribute = table.text_at("attribute") if "attribute" in table.values else None
    subject = f"attribute.{attribute}" if attribute else "score"
    if "quantity" in table.values:
        subject = f"quantity.{table.text_at('quantity')}"
    return AdviceText(
        subject=subject,
        attribute=attribute,
        cause=table.text_at("cause"),
        when=tuple(_condition(condition) for condition in table.tables("when")),
        text=_text(table),
    )


def _condition(table: TomlTable) -> Condition:
    table.only(("of", "below", "above", "is"))
    infinite = float("-inf")
    return Condition(
        of=table.text_at("of"),
        below=table.number("below", infinite) if "below" in table.values else None,
        above=table.number("above", infinite) if "above" in table.values else None,
        equals=table.flag("is") if "is" in table.values else None,
    )


def _text(table: TomlTable) -> Text:
    return Text(en=table.text_at("en"), zh=table.text_at("zh"))
