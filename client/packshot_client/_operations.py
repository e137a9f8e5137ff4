"""Operations: what can be asked of the models, checked when it is written down. No network here.

An operation is a model with its options. ``client.enhance(photo, format="webp")`` makes an
``Enhance(format="webp")`` and applies it to one photo; ``client.map`` applies it to any number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, Protocol, TypeVar, get_args

from packshot.contracts import (
    DEFAULT_POLICY,
    FORMAT,
    IMAGE,
    MAX_SIDE,
    OUTPUT_QUALITY,
    POLICY,
    SCALE,
    SCALES,
)
from packshot_client._checks import checked_count, checked_within
from packshot_client._exceptions import ConfigError
from packshot_client._images import ImageSource
from packshot_client._models import (
    ENHANCE_MODEL,
    OPTIMIZE_MODEL,
    QUALITY_MODEL,
    UPSCALE_MODEL,
    Input,
    Inputs,
    Model,
)
from packshot_client._pictures import OptimizedPicture, OutputFormat, Picture
from packshot_client._results import QualityResult

ResultT_co = TypeVar("ResultT_co", covariant=True)

_QUALITIES: Final = (1, 100)


class Operation(Protocol[ResultT_co]):
    """A model with its options, ready to be applied to images."""

    @property
    def model(self) -> Model[ResultT_co]:
        """Which model it asks."""

    def inputs(self, image: ImageSource) -> Inputs:
        """The model's inputs for one image."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """The verdict on an image.

    Attributes:
        policy: Name of the marketplace policy that decides.

    Raises:
        ConfigError: It cannot be a policy's name; whether there is one, only the server knows.
    """

    model: ClassVar[Model[QualityResult]] = QUALITY_MODEL
    policy: str = DEFAULT_POLICY

    def __post_init__(self) -> None:
        _check_policy(self.policy)

    def inputs(self, image: ImageSource) -> Inputs:
        """The model's inputs for one image."""
        return {IMAGE.name: image, **self._options}

    @cached_property
    def _options(self) -> Inputs:
        return _policy_input(self.policy)


@dataclass(frozen=True, kw_only=True)
class Enhance:
    """A photo restored: noise, blur, JPEG blocks, exposure, colour cast, contrast.

    Attributes:
        format: ``"jpeg"``, ``"png"`` or ``"webp"``; ``None`` keeps the photo's, and makes PNG of
            GIF, BMP and TIFF.
        quality: 1-100, for JPEG and WebP; ``None`` leaves it to the server (92).
        max_side: Longest side in pixels, larger pictures are shrunk; ``None`` is no limit.

    Raises:
        ConfigError: An option cannot be used.
    """

    model: ClassVar[Model[Picture]] = ENHANCE_MODEL
    format: OutputFormat | None = None
    quality: int | None = None
    max_side: int | None = None

    def __post_init__(self) -> None:
        check_output(self.format, self.quality, self.max_side)

    def inputs(self, image: ImageSource) -> Inputs:
        """The model's inputs for one image."""
        return {
            IMAGE.name: image,
            **_output_inputs(self.format, self.quality, self.max_side),
        }


@dataclass(frozen=True, kw_only=True)
class Upscale:
    """A photo enlarged, with the detail that a network puts there.

    Attributes:
        scale: 2 or 4.
        format: As for :class:`Enhance`.
        quality: As for :class:`Enhance`.
        max_side: As for :class:`Enhance`.

    Raises:
        ConfigError: An option cannot be used.
    """

    model: ClassVar[Model[Picture]] = UPSCALE_MODEL
    scale: int = SCALES[0]
    format: OutputFormat | None = None
    quality: int | None = None
    max_side: int | None = None

    def __post_init__(self) -> None:
        check_scale(self.scale, SCALES)
        check_output(self.format, self.quality, self.max_side)

    def inputs(self, image: ImageSource) -> Inputs:
        """The model's inputs for one image."""
        return {
            IMAGE.name: image,
            SCALE.name: self.scale,
            **_output_inputs(self.format, self.quality, self.max_side),
        }


@dataclass(frozen=True, kw_only=True)
class Optimize:
    """A photo scored, mended by what fails, and scored again until it passes or nothing helps.

    Attributes:
        policy: Name of the marketplace policy that decides.
        format: As for :class:`Enhance`.
        quality: As for :class:`Enhance`.

    Raises:
        ConfigError: An option cannot be used.
    """

    model: ClassVar[Model[OptimizedPicture]] = OPTIMIZE_MODEL
    policy: str = DEFAULT_POLICY
    format: OutputFormat | None = None
    quality: int | None = None

    def __post_init__(self) -> None:
        _check_policy(self.policy)
        check_output(self.format, self.quality)

    def inputs(self, image: ImageSource) -> Inputs:
        """The model's inputs for one image."""
        return {
            IMAGE.name: image,
            **_policy_input(self.policy),
            **_output_inputs(self.format, self.quality),
        }


def _output_inputs(
    format: str | None,  # noqa: A002
    quality: int | None,
    max_side: int | None = None,
) -> dict[str, Input]:
    return given({FORMAT.name: format, OUTPUT_QUALITY.name: quality, MAX_SIDE.name: max_side})


def given(inputs: Mapping[str, Input | None]) -> dict[str, Input]:
    """The inputs that are not ``None``: what is left out, the server decides."""
    return {name: value for name, value in inputs.items() if value is not None}


def _policy_input(policy: str) -> dict[str, Input]:
    policy = policy.strip()
    return {} if policy == DEFAULT_POLICY else {POLICY.name: policy}


def _check_policy(policy: str) -> None:
    if not isinstance(policy, str) or not policy.strip():
        raise ConfigError(f"policy must be a name such as {DEFAULT_POLICY!r}, got {policy!r}")


def check_scale(scale: int, known: tuple[int, ...]) -> None:
    """Raise ``ConfigError`` if ``scale`` is not one of those known."""
    if scale not in known or isinstance(scale, bool):
        names = ", ".join(map(str, known[:-1])) + f" or {known[-1]}"
        raise ConfigError(f"scale must be {names}, got {scale!r}")


def check_output(
    format: str | None,  # noqa: A002
    quality: int | None = None,
    max_side: int | None = None,
) -> None:
    """Raise ``ConfigError`` if a picture cannot be written so."""
    formats = get_args(OutputFormat)
    if format is not None and format not in formats:
        raise ConfigError(
            f"format must be {', '.join(formats[:-1])} or {formats[-1]}, got {format!r}"
        )
    if quality is not None:
        checked_count(quality, "quality")
        checked_within(quality, "quality", _QUALITIES)
    if max_side is not None:
        checked_count(max_side, "max_side")


_USUAL_SCORE: Final = Score()


def score_by(policy: str) -> Score:
    """The verdict by a policy; that by the default one is made once.

    Raises:
        ConfigError: As for :class:`Score`.
    """
    return _USUAL_SCORE if policy == DEFAULT_POLICY else Score(policy=policy)
