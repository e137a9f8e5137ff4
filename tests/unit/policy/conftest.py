"""Facts and attributes of a faultless photo, and a folder for policies of one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from packshot.contracts import ATTRIBUTES

Write = Callable[..., Path]


@pytest.fixture
def attributes() -> dict[str, float]:
    return dict.fromkeys(ATTRIBUTES, 0.9)


@pytest.fixture
def facts() -> dict[str, Any]:
    return {
        "format": "JPEG",
        "width": 2100,
        "height": 2400,
        "bytes": 800_000,
        "megapixels": 5.04,
        "color_mode": "RGB",
        "animated": False,
        "has_alpha": False,
        "orientation": 1,
        "icc_converted": False,
        "composition": {
            "score": 0.95,
            "background_plain": True,
            "background_uniformity": 1.0,
            "background_whiteness": 1.0,
            "fill_ratio": 0.88,
            "centre_offset": 0.01,
            "touches_edge": False,
            "border": False,
        },
        "tone": {"brightness": 0.5, "shadows": 0.0, "highlights": 0.4},
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a policy file: ``write(text, "mine.toml")``; returns its path."""

    def written(text: str, name: str = "mine.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return written
