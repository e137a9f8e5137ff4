"""Pages: templates to self-contained HTML documents, and how they name files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import jinja2

_TEMPLATES: Final = Path(__file__).parent / "templates"
_GOOD, _FAIR = 0.7, 0.45
"""Bounds of an attribute's colour; decisions are the policy's alone."""


def page(template: str, **values: Any) -> str:
    """One document.

    Args:
        template: Its name in ``templates``.
        values: What it needs.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["level"] = _level
    environment.filters["kilobytes"] = size_words
    return environment.get_template(template).render(**values)


def size_words(size_bytes: int) -> str:
    """A file's size for people."""
    kilobytes = size_bytes / 1000
    return f"{kilobytes / 1000:.1f} MB" if kilobytes >= 1000 else f"{kilobytes:.0f} kB"


def common_folder(paths: Sequence[Path]) -> Path | None:
    """The folder that all files are below; ``None`` if there is none."""
    try:
        return Path(os.path.commonpath([path.parent for path in paths]))
    except ValueError:
        return None


def name_below(path: Path, folder: Path | None) -> str:
    """A file's name in a document about the files of ``folder``."""
    if folder is not None and path.is_relative_to(folder):
        path = path.relative_to(folder)
    return str(path)


def _level(value: float) -> str:
    return "good" if value >= _GOOD else "fair" if value >= _FAIR else "poor"
