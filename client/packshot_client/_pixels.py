"""Pixels: decoded images to the two views that the network takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from packshot.contracts import FRAGMENTS, GLOBAL_VIEW, VIEW_SIZE
from packshot_client._exceptions import ConfigError, ImageSourceError
from packshot_client._images import Array, PillowImage

VIEW_BYTES: Final = VIEW_SIZE * VIEW_SIZE * 3


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelViews:
    """The network's two views of an image, made by ``packshot.imaging``.

    Attributes:
        global_view: [224, 224, 3] uint8, sRGB, 0-255: the whole frame.
        fragments: [224, 224, 3] uint8, sRGB, 0-255: the mosaic of native-resolution patches.
    """

    global_view: Array
    fragments: Array


PixelSource: TypeAlias = Array | PillowImage | PixelViews
"""[H, W, 3] uint8 in sRGB, a Pillow image, or the two views ready-made."""


def view_bytes(pixels: PixelSource) -> dict[str, bytes]:
    """The network's inputs for one image, each 150,528 bytes, by tensor name.

    Raises:
        ImageSourceError: The pixels are of another shape or type.
        ConfigError: ``packshot[imaging]``, which cuts the views, is not installed.
    """
    views = pixels if isinstance(pixels, PixelViews) else _cut(pixels)
    return {
        GLOBAL_VIEW.name: _raw(views.global_view, "global_view"),
        FRAGMENTS.name: _raw(views.fragments, "fragments"),
    }


def _cut(pixels: Array | PillowImage) -> PixelViews:
    try:
        import numpy as np

        from packshot.imaging import fragments, global_view
    except ImportError as error:
        raise ConfigError(
            "score_pixels cuts the network's views with packshot.imaging: pip install "
            "'packshot[imaging]', or give PixelViews"
        ) from error
    image: Any = pixels
    if not isinstance(pixels, Array) or isinstance(pixels, PillowImage):
        if not isinstance(pixels, PillowImage):
            raise ImageSourceError(
                f"pixels must be an array, a Pillow image or PixelViews, got "
                f"{type(pixels).__name__}"
            )
        image = pixels if pixels.mode == "RGB" else pixels.convert("RGB")
    array = np.ascontiguousarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise ImageSourceError(
            f"pixels must be [H, W, 3] of uint8, got {list(array.shape)} of {array.dtype}"
        )
    return PixelViews(global_view=global_view(array), fragments=fragments(array))


def _raw(view: Array, name: str) -> bytes:
    shape = getattr(view, "shape", None)
    dtype = getattr(view, "dtype", None)
    if shape != (VIEW_SIZE, VIEW_SIZE, 3) or str(dtype) != "uint8":
        raise ImageSourceError(
            f"{name} must be [{VIEW_SIZE}, {VIEW_SIZE}, 3] of uint8, got {shape} of {dtype}"
        )
    data: bytes = view.tobytes()  # type: ignore[attr-defined]
    return data
