"""Pictures and masks in files, as ``packshot-edit`` reads and writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from packshot import __version__
from packshot.errors import EditError, ImageError
from packshot.generation.watermark import THRESHOLD, WATERMARK, confidence, marked
from packshot.imaging.decode import decode
from packshot.imaging.encoding import OutputFormat, OutputOptions, encode
from packshot.imaging.metadata import Rights, read_rights
from packshot.imaging.xmp import DIGITAL_SOURCE_TYPES, TRAINED_ALGORITHMIC_MEDIA, Origin

PixelArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

_FORMATS: Final[dict[str, OutputFormat]] = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".webp": "webp",
}
_HALF: Final = 128
_SOFTWARE: Final = f"packshot {__version__}"
_GENERATED: Final = Rights(
    origin=Origin(digital_source_type=TRAINED_ALGORITHMIC_MEDIA, software=_SOFTWARE)
)
COMPOSITE: Final = Origin(
    digital_source_type=f"{DIGITAL_SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia",
    software=_SOFTWARE,
)
"""A photo, a part of which a model has made."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Photo:
    """Pixels [H, W, 3] uint8 sRGB of a file, and who holds the rights in it."""

    pixels: PixelArray
    rights: Rights

    def made_by(self, origin: Origin) -> Rights:
        """The rights of a picture made from it."""
        return replace(self.rights, origin=origin)


def read_photo(path: Path) -> Photo:
    """Decode a photo.

    Raises:
        EditError: There is no such file, or no picture in it.
    """
    data = _bytes(path)
    try:
        return Photo(pixels=decode(data).pixels_hwc_u8, rights=read_rights(data))
    except ImageError as error:
        raise EditError(f"{path}: {error}") from error


def read_mask(path: Path) -> BoolArray:
    """[H, W] bool: where a mask file is lighter than mid grey.

    Raises:
        EditError: See ``read_photo``.
    """
    return np.asarray(read_photo(path).pixels.mean(axis=2) >= _HALF, np.bool_)


def write_picture(picture: PixelArray, path: Path, rights: Rights) -> dict[str, Any]:
    """Write in the format of the file's suffix, without loss where it can; returns its facts.

    Raises:
        EditError: The suffix is of no format that we write, or the folder cannot be written.
    """
    chosen = output_format(path)
    options = OutputOptions(format=chosen)
    encoded = encode(picture, options, "PNG", rights)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.data)
    except OSError as error:
        raise EditError(f"{path} cannot be written: {error.strerror}.") from error
    return {"file": str(path), **encoded.facts, "lossless": chosen == "png"}


def write_generated(pictures: Sequence[PixelArray], out: Path) -> list[dict[str, Any]]:
    """Write generated pictures, marked as such: side by side in one file, or each into a folder.

    Args:
        pictures: [H, W, 3] uint8 each, of one size.
        out: A picture file, by its suffix, or else a folder.

    Raises:
        EditError: See ``write_picture``.
    """
    if out.suffix:
        return [_write_marked(np.concatenate(list(pictures), axis=1), out)]
    return [
        _write_marked(picture, out / f"{number:03}.png") for number, picture in enumerate(pictures)
    ]


def output_format(path: Path) -> OutputFormat:
    """The format of a file name.

    Raises:
        EditError: None that we write.
    """
    chosen = _FORMATS.get(path.suffix.lower())
    if chosen is None:
        raise EditError(
            f"{path} has the suffix {path.suffix!r}: expected one of {', '.join(_FORMATS)}."
        )
    return chosen


def _write_marked(picture: PixelArray, path: Path) -> dict[str, Any]:
    result = marked(picture)
    facts = write_picture(result, path, _GENERATED)
    # A picture with next to nothing on it cannot hold the mark.
    holds = confidence(result) >= THRESHOLD
    return {**facts, "watermark": WATERMARK if holds else None}


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EditError(f"{path} cannot be read: {error.strerror}.") from error
