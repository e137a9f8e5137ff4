"""Known answers: what each photo must be answered with, whatever the load.

They are asked for one at a time before the load, so that nothing shares their batch. During the
load each answer is compared with its photo's: an answer that belongs to another photo of a batch
is caught, as long as the two differ by more than the tolerance.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from packshot_loadtest.errors import ResultFileError

TOLERANCE: Final = 0.25
"""Largest difference of an expected value, in score points (attributes count times 100). Batches
of another size move them by less than 0.05."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was said about one photo.

    Attributes:
        values: Score 0-100, then attributes times 100. Empty for pictures.
        digest: Hash of a returned picture; empty for scores.
    """

    values: tuple[float, ...] = ()
    digest: str = ""

    def matches(self, other: Answer, tolerance: float = TOLERANCE) -> bool:
        """Whether both say the same."""
        return (
            self.digest == other.digest
            and len(self.values) == len(other.values)
            and all(
                abs(mine - theirs) <= tolerance
                for mine, theirs in zip(self.values, other.values, strict=True)
            )
        )


def score_answer(score: float, attributes: Sequence[float]) -> Answer:
    """The answer in a score and its attributes, each 0-1."""
    return Answer(values=(float(score), *(100.0 * float(value) for value in attributes)))


def picture_answer(data: bytes) -> Answer:
    """The answer in a returned picture."""
    return Answer(digest=hashlib.sha256(data).hexdigest())


def indistinct_pairs(answers: Sequence[Answer], tolerance: float = TOLERANCE) -> int:
    """Pairs of photos whose answers a mix-up could swap unseen."""
    return sum(
        first.matches(second, 2 * tolerance)
        for index, first in enumerate(answers)
        for second in answers[:index]
    )


def answers_to_json(answers: dict[str, list[Answer]]) -> str:
    """Answers by kind, for a file or another host."""
    return json.dumps({kind: [asdict(answer) for answer in own] for kind, own in answers.items()})


def answers_from_json(text: str) -> dict[str, list[Answer]]:
    """What :func:`answers_to_json` wrote.

    Raises:
        ResultFileError: It is something else.
    """
    try:
        loaded: dict[str, list[dict[str, Any]]] = json.loads(text)
        return {
            kind: [Answer(values=tuple(a["values"]), digest=a["digest"]) for a in own]
            for kind, own in loaded.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultFileError(f"these are no known answers: {error!r}") from error


def read_answers(path: Path) -> dict[str, list[Answer]]:
    """Answers kept from an earlier run.

    Raises:
        ResultFileError: The file cannot be read.
    """
    try:
        return answers_from_json(path.read_text())
    except OSError as error:
        raise ResultFileError(f"cannot read the known answers {path}: {error}") from error
