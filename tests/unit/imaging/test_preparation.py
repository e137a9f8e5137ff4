"""Views and facts of any size of picture; the facts are the JSON that the contract shows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from packshot.imaging import facts_to_json, fragments, global_view, prepare

Pixels = npt.NDArray[np.uint8]
Encode = Callable[..., bytes]


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    "size", [(1, 1), (1, 10_000), (10_000, 1), (2, 3), (31, 33), (223, 224), (3000, 100)]
)
def test_extreme_sizes(encode: Encode, name: str, size: tuple[int, int]) -> None:
    prepared = prepare(encode(Image.new("RGB", size, (200, 30, 30)), name))
    assert (prepared.facts["width"], prepared.facts["height"]) == size
    for view in (prepared.global_view, prepared.fragments):
        assert view.shape == (224, 224, 3)
        assert view.dtype == np.uint8
        assert view.flags.c_contiguous
        assert np.abs(view.astype(int) - (200, 30, 30)).max() < 12
    assert prepared.facts["composition"]["border"] is False


def test_views_are_those_of_the_decoded_pixels(picture: Pixels, encode: Encode) -> None:
    prepared = prepare(encode(picture, "PNG"))
    assert np.array_equal(prepared.global_view, global_view(picture))
    assert np.array_equal(prepared.fragments, fragments(picture))


def test_facts_are_the_documented_json(picture: Pixels, encode: Encode) -> None:
    data = encode(picture, "JPEG")
    prepared = prepare(data)
    facts = json.loads(facts_to_json(prepared.facts))
    composition = facts.pop("composition")
    tone = facts.pop("tone")
    assert facts == {
        "format": "JPEG",
        "width": 160,
        "height": 120,
        "bytes": len(data),
        "megapixels": 0.019,
        "color_mode": "RGB",
        "animated": False,
        "has_alpha": False,
        "orientation": 1,
        "icc_converted": False,
    }
    assert set(composition) == {
        "score", "background_plain", "background_uniformity", "background_whiteness",
        "fill_ratio", "centre_offset", "touches_edge", "border",
    }  # fmt: skip
    assert set(tone) == {"brightness", "shadows", "highlights"}


@pytest.mark.parametrize(
    ("grey", "brightness", "shadows", "highlights"),
    [(0, 0.0, 1.0, 0.0), (128, 0.502, 0.0, 0.0), (255, 1.0, 0.0, 1.0)],
)
def test_tone(
    encode: Encode, grey: int, brightness: float, shadows: float, highlights: float
) -> None:
    facts = prepare(encode(Image.new("L", (300, 300), grey), "PNG")).facts
    assert facts["tone"] == {
        "brightness": brightness, "shadows": shadows, "highlights": highlights
    }  # fmt: skip


def test_a_white_backdrop_does_not_hide_a_dark_product(
    make_product: Callable[..., Pixels], encode: Encode
) -> None:
    facts = prepare(encode(make_product(colour=(20, 20, 20)), "PNG")).facts
    assert facts["tone"]["brightness"] < 0.2


def test_orientation_swaps_the_facts_too(picture: Pixels, encode: Encode) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    facts = prepare(encode(picture, "JPEG", exif=exif)).facts
    assert (facts["width"], facts["height"], facts["orientation"]) == (120, 160, 6)


def test_importing_needs_neither_torch_nor_triton() -> None:
    code = (
        "import sys, packshot.imaging; "
        "print([m for m in ('torch', 'tritonclient', 'openvino') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
