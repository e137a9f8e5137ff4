"""The HTML report: one file that needs nothing else, for people who decide about photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from packshot.contracts import ATTRIBUTES
from packshot_client._results import Language, QualityMap, QualityResult
from packshot_client.pages import common_folder, name_below, page
from packshot_client.photos import FAILED, ScoredPhoto, decision_counts
from packshot_client.thumbnails import thumbnail_uri
from packshot_client.wording import WORDS


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
    folder = common_folder([photo.path for photo in photos])
    models = sorted({f"{result.model} {result.model_version}" for result in results})
    return page(
        "report.html",
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
            {"name": name_below(photo.path, folder), "message": photo.error.message}
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
        "name": name_below(path, folder),
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
