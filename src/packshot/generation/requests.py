"""What a caller may ask of the generator, checked before anything is computed."""

from __future__ import annotations

import difflib
import secrets
from dataclasses import dataclass, field
from typing import Final

from packshot.contracts import (
    CATEGORIES,
    CATEGORY,
    COUNT,
    DEFAULT_GENERATION_SCALE,
    DEFAULT_TRUNCATION,
    GENERATE_STREAM,
    GENERATION_SCALE,
    GENERATION_SCALES,
    LARGEST_SEED,
    MIN_SCORE,
    MOST_AT_ONCE,
    MOST_IN_A_STREAM,
    SCORE_RANGE,
    SEED,
    TRUNCATION,
)
from packshot.errors import ContractError
from packshot.imaging.encoding import OutputOptions

_DRAWN_SEEDS: Final = 2**32
_PNG: Final = OutputOptions(format="png")


def known_category(name: str) -> str:
    """The category a caller means; capitals, spaces and hyphens are forgiven.

    Raises:
        ContractError: There is none of this name; the message lists them.
    """
    wanted = name.strip().lower().replace(" ", "_").replace("-", "_")
    if wanted in CATEGORIES:
        return wanted
    near = difflib.get_close_matches(wanted, CATEGORIES, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ContractError(
        f"{CATEGORY.name} must be one of {', '.join(CATEGORIES)}; got {name[:40]!r}.{hint}"
    )


def drawn_seed() -> int:
    """A seed that nobody can foresee, for requests without one."""
    return secrets.randbelow(_DRAWN_SEEDS)


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """One request for pictures.

    Attributes:
        category: One of ``CATEGORIES``, as ``known_category`` reads it.
        seed: Of the first candidate; candidate k has ``seed + k``.
        count: Pictures wanted.
        truncation: 0-1: 1 keeps the full variety, 0 gives the category's mean picture.
        scale: Enlargement of the generator's 64 x 64 pixels.
        output: How pictures are encoded.
        min_score: Least score, 0-100; None neither scores nor holds back.
        most: Largest ``count``.

    Raises:
        ContractError: A value that cannot be used.
    """

    category: str
    seed: int = field(default_factory=drawn_seed)
    count: int = 1
    truncation: float = DEFAULT_TRUNCATION
    scale: int = DEFAULT_GENERATION_SCALE
    output: OutputOptions = _PNG
    min_score: float | None = None
    most: int = MOST_IN_A_STREAM

    def __post_init__(self) -> None:
        object.__setattr__(self, "category", known_category(self.category))
        if not 1 <= self.count <= self.most:
            more = (
                f" For up to {MOST_IN_A_STREAM:,} call {GENERATE_STREAM.name}."
                if self.most == MOST_AT_ONCE and self.count > self.most
                else ""
            )
            raise ContractError(
                f"{COUNT.name} must be 1 to {self.most:,}, got {self.count:,}.{more}"
            )
        if not 0 <= self.seed <= LARGEST_SEED - self.count + 1:
            raise ContractError(
                f"{SEED.name} must be 0 to {LARGEST_SEED}, and as every picture has the next seed, "
                f"at most {LARGEST_SEED - self.count + 1} for {self.count:,} pictures; got "
                f"{self.seed}."
            )
        if not 0 <= self.truncation <= 1:  # Nor is NaN.
            raise ContractError(
                f"{TRUNCATION.name} must be 0 (the category's mean picture) to 1 (the full "
                f"variety), got {self.truncation:g}."
            )
        if self.scale not in GENERATION_SCALES:
            known = ", ".join(map(str, GENERATION_SCALES[:-1]))
            raise ContractError(
                f"{GENERATION_SCALE.name} must be {known} or {GENERATION_SCALES[-1]}, got "
                f"{self.scale}."
            )
        least, best = SCORE_RANGE
        if self.min_score is not None and not least <= self.min_score <= best:
            raise ContractError(
                f"{MIN_SCORE.name} must be {least:g} to {best:g}, got {self.min_score:g}. Leave it "
                "out to take pictures as they come."
            )

    @property
    def category_number(self) -> int:
        """Position in ``CATEGORIES``."""
        return CATEGORIES.index(self.category)

    def tries(self, a_picture: int) -> int:
        """Most candidates made: ``a_picture`` for each picture wanted where pictures are screened.

        Never past ``LARGEST_SEED``.
        """
        wanted = self.count if self.min_score is None else self.count * a_picture
        return min(wanted, LARGEST_SEED - self.seed + 1)
