"""The user's own labels: what a labels file says, once it is known to be sound.

Three kinds, told apart by the header of the CSV file:

    file,score              scores, 0-100
    file,mos                scores, 0-1
    file,grade              classes: high, medium or low
    better,worse            pairs: people preferred the first photo

Scores and classes may carry a third column, ``subset``, by which evaluation groups them. Files
are named relative to a photo folder (by default the folder of the CSV file).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

LabelKind = Literal["scores", "grades", "pairs"]

GRADES: Final[tuple[str, ...]] = ("low", "medium", "high")
"""The classes, worst first."""

MINIMUM_TO_TRAIN: Final = 20
"""Fewer labels than this cannot be learned from and checked: a fifth of them is held out."""

MINIMUM_TO_MEASURE: Final = 5
"""Fewer labels than this make every agreement statistic meaningless."""


@dataclass(frozen=True, kw_only=True)
class GradeThresholds:
    """The scores, 0-100, from which a photo counts as medium and as high."""

    medium_from: float = 45.0
    high_from: float = 65.0

    def __post_init__(self) -> None:
        if not 0.0 < self.medium_from < self.high_from < 100.0:
            raise ValueError(
                "expected 0 < medium_from < high_from < 100,"
                f" got {self.medium_from:g} and {self.high_from:g}"
            )


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Sound labels of one kind.

    Attributes:
        kind: What people said.
        photos: Every labelled photo, once.
        targets: Of scores: 0-1, aligned with ``photos``. Of grades: index in ``GRADES``. Of
            pairs: empty.
        pairs: Of pairs: (better, worse), as indexes into ``photos``. Otherwise empty.
        subsets: The ``subset`` column, aligned with ``photos``; empty without one.
    """

    kind: LabelKind
    photos: tuple[Path, ...]
    targets: tuple[float, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    subsets: tuple[str, ...] = ()

    def __len__(self) -> int:
        """How many labels there are: pairs, or labelled photos."""
        return len(self.pairs) if self.kind == "pairs" else len(self.photos)

    def chosen(self, indexes: list[int]) -> Labels:
        """The labels at ``indexes``, with the photos they need and no others."""
        if self.kind != "pairs":
            return Labels(
                kind=self.kind,
                photos=tuple(self.photos[i] for i in indexes),
                targets=tuple(self.targets[i] for i in indexes),
                subsets=tuple(self.subsets[i] for i in indexes) if self.subsets else (),
            )
        kept = [self.pairs[i] for i in indexes]
        used = sorted({photo for pair in kept for photo in pair})
        place = {photo: index for index, photo in enumerate(used)}
        return Labels(
            kind="pairs",
            photos=tuple(self.photos[i] for i in used),
            pairs=tuple((place[better], place[worse]) for better, worse in kept),
        )
