"""Generation: what can be asked of the models that make pictures, checked when written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from packshot.contracts import (
    CATEGORIES,
    CATEGORY,
    COUNT,
    FORMAT,
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
from packshot_client._checks import checked_count, checked_share, checked_within
from packshot_client._exceptions import ConfigError
from packshot_client._models import GENERATE_MODEL, GENERATE_STREAM_MODEL, Inputs, Model
from packshot_client._operations import check_output, check_scale, given
from packshot_client._pictures import GeneratedPictures, OutputFormat

_TRIES_PER_PICTURE: Final = 8
_SECONDS_PER_TRY: Final = 0.5
"""For the deadline of a stream; generous for two busy cores."""


@dataclass(frozen=True, kw_only=True)
class Generate:
    """Pictures of products that do not exist.

    Attributes:
        category: What they show, such as ``"watches"``; which there are, the server knows.
        seed: Of the first, 0 to 2^53 - 1, the others follow; ``None`` lets the server draw one.
        count: How many, 1-16, or 1-1,000 where they are streamed.
        truncation: How far from the usual they may be, 0-1; ``None`` leaves it to the server.
        scale: 1, 2 or 4 times 64 pixels a side; ``None`` leaves it to the server.
        format: ``"jpeg"``, ``"png"`` or ``"webp"``; ``None`` is PNG.
        min_score: Least quality, 0-100: pictures below it are replaced, within limits. ``None``
            does not look at the quality.
        streamed: Whether they come one by one.

    Raises:
        ConfigError: An option cannot be used.
    """

    category: str
    seed: int | None = None
    count: int = 1
    truncation: float | None = None
    scale: int | None = None
    format: OutputFormat | None = None
    min_score: float | None = None
    streamed: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.category, str) or not self.category.strip():
            raise ConfigError(
                f"category must be a name such as {CATEGORIES[-1]!r}, got {self.category!r}"
            )
        if self.seed is not None:
            checked_count(self.seed, "seed", least=0)
            if self.seed > LARGEST_SEED:
                raise ConfigError(f"seed must be {LARGEST_SEED} or less, got {self.seed}")
        checked_count(self.count, "count")
        most = MOST_IN_A_STREAM if self.streamed else MOST_AT_ONCE
        if self.count > most:
            way_out = "" if self.streamed else f": generate_stream gives up to {MOST_IN_A_STREAM:,}"
            raise ConfigError(f"count must be {most:,} or less, got {self.count:,}{way_out}")
        if self.truncation is not None:
            checked_share(self.truncation, "truncation")
        if self.scale is not None:
            check_scale(self.scale, GENERATION_SCALES)
        if self.min_score is not None:
            checked_within(self.min_score, "min_score", SCORE_RANGE)
        check_output(self.format)

    @property
    def model(self) -> Model[GeneratedPictures]:
        """Which model it asks."""
        return GENERATE_STREAM_MODEL if self.streamed else GENERATE_MODEL

    @property
    def inputs(self) -> Inputs:
        """The model's inputs."""
        return {
            CATEGORY.name: self.category.strip(),
            COUNT.name: self.count,
            **given(
                {
                    SEED.name: self.seed,
                    TRUNCATION.name: self.truncation,
                    GENERATION_SCALE.name: self.scale,
                    FORMAT.name: self.format,
                    MIN_SCORE.name: self.min_score,
                }
            ),
        }

    def timeout_s(self) -> float | None:
        """Deadline where the caller gives none; ``None`` for the model's."""
        if not self.streamed or self.model.timeout_s is None:
            return None
        tries = 1 if self.min_score is None else _TRIES_PER_PICTURE
        return self.model.timeout_s + self.count * tries * _SECONDS_PER_TRY
