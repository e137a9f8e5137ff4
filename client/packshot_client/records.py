"""Records: what became of photos as JSON and CSV, for other programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from io import StringIO
from typing import Any

from packshot.contracts import ATTRIBUTES
from packshot_client._exceptions import ClientError
from packshot_client._pictures import OptimizedPicture
from packshot_client._results import Language
from packshot_client.photos import ScoredPhoto
from packshot_client.pictures import MadePicture

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def json_document(photos: Iterable[ScoredPhoto]) -> str:
    """A JSON array with one object per photo, each on its own line.

    Each has ``file`` and ``error``; ``error`` is ``null`` and the rest the fields of
    ``QualityResult`` if it was scored, else an object with ``type`` and ``message``.
    """
    return _array(_json_record(photo) for photo in photos)


def picture_document(made: Iterable[MadePicture[Any]]) -> str:
    """A JSON array with one object per photo that a picture was made of, each on its own line.

    Each has ``file``, ``error`` and ``out``; the rest are the fields of the result, and ``gain``
    where there are two scores, if there is one.
    """
    return _array(_picture_record(one) for one in made)


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


def _array(records: Iterable[dict[str, Any]]) -> str:
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _json_record(photo: ScoredPhoto) -> dict[str, Any]:
    file = str(photo.path)
    if photo.result is not None:
        return {"file": file, "error": None, **photo.result.as_dict()}
    return {"file": file, "error": error_record(photo.error)}


def _picture_record(made: MadePicture[Any]) -> dict[str, Any]:
    file = str(made.path)
    if made.result is None:
        return {"file": file, "error": error_record(made.error), "out": None}
    gain = {"gain": made.result.gain} if isinstance(made.result, OptimizedPicture) else {}
    return {"file": file, "error": None, "out": str(made.out), **gain, **made.result.as_dict()}


def error_record(error: ClientError | None) -> dict[str, str]:
    """Why there is no result, as JSON."""
    return {"type": type(error).__name__, "message": str(error)}


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
