"""Records: scored photos as JSON and CSV, for other programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from io import StringIO
from typing import Any

from packshot.contracts import ATTRIBUTES
from packshot_client._results import Language
from packshot_client.photos import ScoredPhoto

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def json_document(photos: Iterable[ScoredPhoto]) -> str:
    """A JSON array with one object per photo, each on its own line.

    Each has ``file`` and ``error``; ``error`` is ``null`` and the rest the fields of
    ``QualityResult`` if it was scored, else an object with ``type`` and ``message``.
    """
    lines = [json.dumps(_json_record(photo), ensure_ascii=False) for photo in photos]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def csv_document(photos: Iterable[ScoredPhoto], language: Language) -> str:
    """CSV with one row per photo and columns that never change order."""
    buffer = StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for photo in photos:
        writer.writerow(_csv_record(photo, language))
    return buffer.getvalue()


_COLUMNS = (
    "file",
    "score",
    "uncertainty",
    "grade",
    "decision",
    "policy",
    "worst_attribute",
    *ATTRIBUTES,
    "format",
    "width",
    "height",
    "bytes",
    "reasons",
    "advice",
    "error",
)


def _json_record(photo: ScoredPhoto) -> dict[str, Any]:
    file = str(photo.path)
    if photo.result is not None:
        return {"file": file, "error": None, **photo.result.as_dict()}
    error = photo.error
    return {"file": file, "error": {"type": type(error).__name__, "message": str(error)}}


def _csv_record(photo: ScoredPhoto, language: Language) -> dict[str, Any]:
    file = str(photo.path)
    if file.startswith(_FORMULA_STARTS):
        # A spreadsheet would run it as a formula; with ./ it is still the same path.
        file = f"./{file}"
    result = photo.result
    if result is None:
        return {"file": file, "error": str(photo.error)}
    return {
        "file": file,
        "score": round(result.score, 2),
        "uncertainty": round(result.uncertainty, 2),
        "grade": result.grade,
        "decision": result.decision,
        "policy": result.policy,
        "worst_attribute": result.worst_attribute,
        **{name: round(value, 4) for name, value in result.attributes.as_dict().items()},
        "format": result.image.format,
        "width": result.image.width,
        "height": result.image.height,
        "bytes": result.image.size_bytes,
        "reasons": "; ".join(r.message.in_language(language) for r in result.reasons),
        "advice": "; ".join(a.text.in_language(language) for a in result.advice),
    }
