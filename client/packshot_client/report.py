"""The HTML report: one file that needs nothing else, for people who decide about photos."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import jinja2

from packshot.contracts import ATTRIBUTES
from packshot_client._results import Language, QualityMap, QualityResult
from packshot_client.photos import FAILED, ScoredPhoto, decision_counts
from packshot_client.thumbnails import thumbnail_uri
from packshot_client.wording import WORDS

_TEMPLATES: Final = Path(__file__).parent / "templates"
_GOOD, _FAIR = 0.7, 0.45
"""Bounds of an attribute's colour in the report; decisions are the policy's alone."""


@dataclass(frozen=True, kw_only=True)
class ReportContext:
    """What the report's header says.

    Attributes:
        policy: Name of the policy asked for.
        server: Address that scored.
        scored_at: When.
        language: Of all words.
        title: Heading; empty for the usual one.
    """

    policy: str
    server: str
    scored_at: datetime
    language: Language = "en"
    title: str = ""


def report_html(
    photos: Sequence[ScoredPhoto],
    context: ReportContext,
    thumbnail: Callable[[Path], str | None] = thumbnail_uri,
) -> str:
    """The report as one self-contained HTML document.

    Args:
        photos: In the order of the report.
        context: What the header says.
        thumbnail: Makes the data URI of a photo's preview, or ``None``.
    """
    words = WORDS[context.language]
    results = [photo.result for photo in photos if photo.result]
    folder = _common_folder([photo.path for photo in photos])
    models = sorted({f"{result.model} {result.model_version}" for result in results})
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["level"] = _level
    environment.filters["kilobytes"] = _size_words
    return environment.get_template("report.html").render(
        words=words,
        language=context.language,
        title=context.title or words["title"],
        policy=context.policy,
        server=context.server,
        models=", ".join(models),
        scored_at=context.scored_at.strftime("%Y-%m-%d %H:%M"),
        total=len(photos),
        counts=decision_counts(photos),
        mean_score=sum(r.score for r in results) / len(results) if results else None,
        has_maps=any(result.quality_map for result in results),
        cards=[
            _card(photo.path, photo.result, folder, context.language, thumbnail)
            for photo in photos
            if photo.result
        ],
        failures=[
            {"name": _name(photo.path, folder), "message": photo.error.message}
            for photo in photos
            if photo.error
        ],
        failed=FAILED,
    )


def _card(
    path: Path,
    result: QualityResult,
    folder: Path | None,
    language: Language,
    thumbnail: Callable[[Path], str | None],
) -> dict[str, Any]:
    attributes = result.attributes.as_dict()
    return {
        "name": _name(path, folder),
        "result": result,
        "thumbnail": thumbnail(path),
        "heat": heat_cells(result.quality_map) if result.quality_map else None,
        "attributes": [(name, attributes[name]) for name in ATTRIBUTES],
        "reasons": [
            {
                "text": reason.message.in_language(language),
                "severity": reason.severity,
                "source": reason.source,
                "link": reason.source.startswith(("https://", "http://")),
            }
            for reason in result.reasons
        ],
        "advice": [advice.text.in_language(language) for advice in result.advice],
    }


def heat_cells(quality_map: QualityMap) -> list[list[float]]:
    """How bad the worst attribute is in each cell: rows of numbers, 0 good to 1 bad."""
    rows = range(len(quality_map[0]))
    columns = range(len(quality_map[0][0]))
    return [
        [
            min(1.0, max(0.0, 1.0 - min(plane[row][column] for plane in quality_map)))
            for column in columns
        ]
        for row in rows
    ]


def _level(value: float) -> str:
    return "good" if value >= _GOOD else "fair" if value >= _FAIR else "poor"


def _size_words(size_bytes: int) -> str:
    kilobytes = size_bytes / 1000
    return f"{kilobytes / 1000:.1f} MB" if kilobytes >= 1000 else f"{kilobytes:.0f} kB"


def _common_folder(paths: Sequence[Path]) -> Path | None:
    try:
        return Path(os.path.commonpath([path.parent for path in paths]))
    except ValueError:
        return None


def _name(path: Path, folder: Path | None) -> str:
    if folder is not None and path.is_relative_to(folder):
        path = path.relative_to(folder)
    return str(path)
