"""Size limits: what is refused before a single pixel is decoded."""

from __future__ import annotations

from dataclasses import dataclass, fields

from packshot.errors import EmptyImageError, ImageTooLargeError

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The largest image taken. Both checks read the file's header at most.

    Attributes:
        max_bytes: Largest encoded file, in bytes.
        max_pixels: Most pixels, width times height. 64 MP is Google Merchant Center's own limit.
        max_side: Longest side, in pixels.
    """

    max_bytes: int = 20 * MEBIBYTE
    max_pixels: int = 64_000_000
    max_side: int = 20_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"Limits.{field.name} must be a whole number >= 1, got {value!r}")

    def check_bytes(self, byte_count: int) -> None:
        """Refuse an empty or too heavy file.

        Raises:
            EmptyImageError: ``byte_count`` is 0.
            ImageTooLargeError: ``byte_count`` is above ``max_bytes``.
        """
        if byte_count == 0:
            raise EmptyImageError(
                "The image is empty (0 bytes). Expected a picture file; upload it again."
            )
        if byte_count > self.max_bytes:
            raise ImageTooLargeError(
                f"The file is {_megabytes(byte_count)}; at most {_megabytes(self.max_bytes)} are "
                "taken. Save it as JPEG at quality 85-90 or make it smaller."
            )

    def check_size(self, width: int, height: int) -> None:
        """Refuse a picture whose header promises too long a side or too many pixels.

        Raises:
            ImageTooLargeError: A side is above ``max_side``, or the area above ``max_pixels``.
        """
        if max(width, height) > self.max_side:
            raise ImageTooLargeError(
                f"The image is {width} x {height} pixels; no side may be longer than "
                f"{self.max_side}. Make it smaller, or crop it."
            )
        if width * height > self.max_pixels:
            raise ImageTooLargeError(
                f"The image is {width} x {height} pixels ({width * height / 1e6:.1f} megapixels); "
                f"at most {self.max_pixels / 1e6:g} megapixels are taken. Make it smaller."
            )


def _megabytes(byte_count: int) -> str:
    if byte_count < MEBIBYTE:
        return f"{byte_count} bytes"
    return f"{byte_count / MEBIBYTE:.1f} MiB ({byte_count} bytes)"
