"""Pictures: results of the models that make them. Frozen, named, and free of wire formats."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from packshot_client._exceptions import ConfigError
from packshot_client._results import QualityResult, Text

OutputFormat = Literal["jpeg", "png", "webp"]
Fix = Literal["tone", "restore", "detail"]
Finish = Literal["gentle", "crisp", "grainy"]
Stopped = Literal["passes", "nothing_to_mend", "no_fix_left", "rounds"]
Why = Literal["better", "no_gain", "worse_decision", "new_fault"]

_PictureT = TypeVar("_PictureT", bound="Picture")

SUFFIXES: Final[dict[str, tuple[str, ...]]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
}
"""Endings of file names by the format of the file, the usual one first."""


@dataclass(frozen=True, kw_only=True)
class ImageResult:
    """An image that a model made, with what it says about it.

    Attributes:
        data: The encoded file.
        info: The model's JSON object.
        model: Model that answered.
        model_version: Its version.
        request_id: Also in the server's log.
    """

    data: bytes = dataclasses.field(repr=False)
    info: dict[str, Any]
    model: str
    model_version: str
    request_id: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An encoded picture: upright, sRGB, without private metadata.

    Attributes:
        data: The encoded file.
        format: ``"JPEG"``, ``"PNG"`` or ``"WEBP"``.
        width, height: Pixels.
        size_bytes: Of the file.
        model: Model that answered.
        model_version: Its version.
        request_id: Also in the server's log.
    """

    data: bytes = dataclasses.field(repr=False)
    format: str
    width: int
    height: int
    size_bytes: int
    model: str
    model_version: str
    request_id: str

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file.

        Args:
            path: Where to. Without an ending it gets that of the format.

        Returns:
            Where it is.

        Raises:
            ConfigError: The ending is that of another picture format.
            OSError: It cannot be written.
        """
        target = Path(path)
        endings = SUFFIXES.get(self.format, ())
        if not target.suffix and endings:
            target = target.with_suffix(endings[0])
        others = {ending for known in SUFFIXES.values() for ending in known}.difference(endings)
        if target.suffix.lower() in others:
            raise ConfigError(
                f"the picture is {self.format}, and {target.name} is a name for another format: "
                f"save it as {target.with_suffix(endings[0]).name if endings else target.stem}, "
                f"or ask the server for the other format"
            )
        target.write_bytes(self.data)
        return target

    def as_dict(self) -> dict[str, Any]:
        """Everything but ``data``, ready for ``json.dumps``."""
        found = dataclasses.asdict(self.without_data())
        del found["data"]
        return found

    def without_data(self: _PictureT) -> _PictureT:
        """The same without the file, for those who keep many results and have saved them."""
        return dataclasses.replace(self, data=b"")


@dataclass(frozen=True, kw_only=True)
class OptimizationStep:
    """One fix that was tried.

    Attributes:
        fix: ``"restore"`` is the whole restoration, ``"detail"`` mends noise, blur and blocks
            alone, and ``"tone"`` light and colour alone.
        because: Names of the attributes that failed.
        score: Of the picture after it, 0-100.
        gain: Against the best picture so far, in points.
        kept: Whether it is in the result.
        why: What decided that.
        new_faults: Attributes that alone keep it from being accepted, and did not before.
        finish: How much the restored picture was sharpened (``"gentle"`` the least), and of
            ``"grainy"`` that half of the photo's own grain stays; None of ``"tone"``.
    """

    fix: Fix
    because: tuple[str, ...]
    score: float
    gain: float
    kept: bool
    why: Why
    new_faults: tuple[str, ...]
    finish: Finish | None = None


@dataclass(frozen=True, kw_only=True)
class BeyondRepair:
    """A fault that no software can mend.

    Attributes:
        cause: ``"out_of_focus"``, ``"cut_off"``, ``"few_pixels"``, ``"arrangement"``,
            ``"file"`` or ``"still_low"``.
        advice: Cause of the advice in ``after`` that says what to do.
        attribute: Which attribute it is about, if one.
        text: What it is and what to do, for people.
    """

    cause: str
    advice: str
    attribute: str | None
    text: Text


@dataclass(frozen=True, kw_only=True)
class OptimizedPicture(Picture):
    """The best picture that the server could make of a photo, and how it got there.

    Attributes:
        before: The verdict on the photo as it was sent.
        after: The verdict on this picture; its score is never below that of ``before``.
        changed: Whether anything helped. If not, the photo came back as it was, less its private
            metadata.
        stopped: Why no more was tried.
        steps: What was tried, in order.
        beyond_repair: What no software can mend.
    """

    before: QualityResult
    after: QualityResult
    changed: bool
    stopped: Stopped
    steps: tuple[OptimizationStep, ...]
    beyond_repair: tuple[BeyondRepair, ...]

    @property
    def gain(self) -> float:
        """Rise of the score, in points; 0 or more."""
        return self.after.score - self.before.score


@dataclass(frozen=True, kw_only=True)
class GeneratedPicture(Picture):
    """A picture that a network invented, and that says so to programs: by an invisible mark in its
    pixels, and in its metadata.

    Attributes:
        category: What it shows.
        seed: Which of all pictures of the category; the same seed gives the same picture.
        truncation: How far from the usual it may be, 0-1.
        scale: Enlargement of what the network makes: 1, 2 or 4.
        score: Its quality, 0-100; ``None`` if it was not screened.
        tries: Pictures made for this one, those that were refused included.
        watermark: Name of the invisible mark in its pixels.
        software: What made it.
        digital_source_type: IPTC's address for pictures made by a trained network.
    """

    category: str
    seed: int
    truncation: float
    scale: int
    score: float | None
    tries: int
    watermark: str
    software: str
    digital_source_type: str


@dataclass(frozen=True, kw_only=True)
class GenerationSummary:
    """What became of a request for pictures, or so far.

    Attributes:
        seed: Of the first picture that was made: the one asked for, or the one drawn.
        requested: How many were asked for.
        returned: How many there are.
        tried: How many were made.
        best_refused: Highest score among those under ``min_score``; ``None`` if none was.
        complete: Whether all that were asked for are there.
        final: Whether no more will come.
        message: What is to be said about that; empty if nothing is.
    """

    seed: int
    requested: int
    returned: int
    tried: int
    best_refused: float | None
    complete: bool
    final: bool
    message: str


@dataclass(frozen=True, kw_only=True)
class GeneratedPictures:
    """The pictures of one request, in the order of their seeds. It has a length and an order.

    Attributes:
        pictures: They may be fewer than were asked for, or none.
        summary: Says why.
    """

    pictures: tuple[GeneratedPicture, ...]
    summary: GenerationSummary

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[GeneratedPicture]:
        return iter(self.pictures)

    def __getitem__(self, index: int) -> GeneratedPicture:
        return self.pictures[index]
