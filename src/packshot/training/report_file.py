"""Reports as JSON that every reader takes: numbers that are not defined become null."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np


def json_text(report: object) -> str:
    """Dataclasses, mappings, sequences and numbers as indented JSON, NaN as null."""
    return json.dumps(_plain(report), indent=2, allow_nan=False) + "\n"


def write_json(path: Path, report: object) -> None:
    """Write ``json_text`` to a file, its folder made where missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json_text(report), encoding="utf-8")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain({f.name: getattr(value, f.name) for f in dataclasses.fields(value)})
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return str(value) if isinstance(value, Path) else value
