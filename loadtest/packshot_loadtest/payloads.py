"""The photos that load is made of."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_PACKAGED = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")


def folder_payloads(folder: Path, *, most: int = 64) -> list[bytes]:
    """The encoded photos of a folder and its subfolders, in order of name.

    Raises:
        ValueError: There is none.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)[:most]
    if not files:
        raise ValueError(f"no photos ({', '.join(SUFFIXES)}) in {folder}")
    return [file.read_bytes() for file in files]


def packaged_payloads(*, side: int = 512, quality: int = 90) -> list[bytes]:
    """The photographs that scikit-image carries, as square JPEGs of ``side`` pixels.

    Raises:
        ImportError: scikit-image is not installed.
    """
    try:
        import skimage
    except ImportError as error:
        raise ImportError(
            "the packaged photos need scikit-image: pip install 'packshot[bench]', or give a"
            " folder of photos"
        ) from error
    payloads: list[bytes] = []
    for name in _PACKAGED:
        with Image.open(Path(skimage.__file__).parent / "data" / name) as picture:
            rgb = picture.convert("RGB")
        edge = min(rgb.size)
        left, top = (rgb.width - edge) // 2, (rgb.height - edge) // 2
        square = rgb.crop((left, top, left + edge, top + edge)).resize((side, side))
        encoded = io.BytesIO()
        square.save(encoded, "JPEG", quality=quality)
        payloads.append(encoded.getvalue())
    return payloads
