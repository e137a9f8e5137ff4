"""Advice: for each reason of a verdict, what a seller can do about its measured cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packshot.policy.quantities import QUANTITIES, Facts, Value
from packshot.policy.texts import AdviceText, advice_texts
from packshot.policy.verdict import Advice

_SCORE = "score"


def advise(
    subjects: Iterable[str], attributes: Mapping[str, float], facts: Facts
) -> tuple[Advice, ...]:
    """The advice for what was found wrong.

    Args:
        subjects: What the reasons are about, most important first: ``attribute.<name>``,
            ``quantity.<name>`` or ``score``. Advice on the score alone is given only where no
            other reason explains it.
        attributes: All attributes, 0-1.
        facts: The image facts.

    Returns:
        Advice in the order of the subjects, each cause once.
    """
    texts = advice_texts()
    found: dict[str, Advice] = {}
    wanted = list(dict.fromkeys(subjects))
    for subject in wanted:
        if subject == _SCORE and len(wanted) > 1:
            continue
        for entry in texts.get(subject, ()):
            if _fits(entry, attributes, facts):
                advice = Advice(attribute=entry.attribute, cause=entry.cause, text=entry.text)
                found.setdefault(entry.cause, advice)
                break
    return tuple(found.values())


def _fits(entry: AdviceText, attributes: Mapping[str, float], facts: Facts) -> bool:
    return all(condition.holds(_value(condition.of, attributes, facts)) for condition in entry.when)


def _value(name: str, attributes: Mapping[str, float], facts: Facts) -> Value | None:
    if name in attributes:
        return attributes[name]
    quantity = QUANTITIES.get(name)
    return quantity.read(facts) if quantity else None
