"""Reading a labels file: everything that is wrong with it is said before anything is trained."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packshot.errors import ImageError, TrainingError
from packshot.imaging.decode import decode
from packshot.training.feedback.labels import GRADES, LabelKind, Labels

SHOWN_OFFENDERS = 5
EXPECTED_HEADERS = "file,score (0-100) | file,mos (0-1) | file,grade | better,worse"

_KINDS: dict[tuple[str, str], LabelKind] = {
    ("file", "score"): "scores",
    ("file", "mos"): "scores",
    ("file", "grade"): "grades",
    ("better", "worse"): "pairs",
}


def read_labels(
    path: Path, *, photos_root: Path | None = None, minimum: int, open_photos: bool = True
) -> Labels:
    """Read and check a labels file.

    Args:
        path: CSV file, UTF-8, with one of the headers of ``packshot.training.feedback.labels``.
        photos_root: Folder the named files are in; by default the folder of ``path``.
        minimum: Fewest labels taken.
        open_photos: Whether to decode every photo too, a minute for some thousands.

    Raises:
        TrainingError: No such file, a header we do not know, missing or damaged photos, values
            that are no numbers or out of range, unknown grades, the same photo or pair twice,
            pairs that contradict each other, too few labels, or only one class. Names the first
            offenders with their line numbers.
    """
    if not path.is_file():
        raise TrainingError(f"no labels at {path}; expected a CSV file: {EXPECTED_HEADERS}")
    root = path.parent if photos_root is None else photos_root
    if not root.is_dir():
        raise TrainingError(f"the photo folder {root} does not exist; give --photos-root")
    reader = _Reader(root=root, open_photos=open_photos)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            labels = reader.read(csv.reader(stream))
    except (UnicodeDecodeError, csv.Error) as error:
        raise TrainingError(
            f"{path} is not a CSV file in UTF-8 ({error}); expected {EXPECTED_HEADERS}"
        ) from error
    except _HeaderError as error:
        raise TrainingError(
            f"{path}: the header is {str(error)!r}, expected one of {EXPECTED_HEADERS}"
            " (scores and grades may add the column subset)"
        ) from error
    _refuse_offenders(path, reader.offenders)
    _refuse_too_little(path, labels, minimum)
    if reader.column == "score" and max(labels.targets) <= 0.01:
        raise TrainingError(
            f"{path}: no score is above 1, expected 0-100: if they are 0-1, name the column mos"
        )
    return labels


class _HeaderError(Exception):
    """The header is none of ours."""


@dataclass(kw_only=True)
class _Reader:
    """Collects labels and offenders line by line."""

    root: Path
    open_photos: bool
    column: str = ""
    offenders: list[tuple[int, str]] = field(default_factory=list)
    _places: dict[Path, int] = field(default_factory=dict)
    _first_lines: dict[tuple[int, ...], int] = field(default_factory=dict)

    def read(self, rows: Iterator[list[str]]) -> Labels:
        header = tuple(name.strip().lower() for name in next(rows, []))
        kind = _KINDS.get(header[:2])  # type: ignore[arg-type]
        with_subset = kind != "pairs" and header[2:] == ("subset",)
        if kind is None or (header[2:] and not with_subset):
            raise _HeaderError(",".join(header))
        targets: list[float] = []
        subsets: list[str] = []
        pairs: list[tuple[int, int]] = []
        for row in rows:
            line = rows.line_num  # type: ignore[attr-defined]
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if len(cells) != len(header):
                self._offend(line, f"{len(cells)} fields, expected {len(header)}")
            elif kind == "pairs":
                pairs.extend(self._pair(line, cells[0], cells[1]))
            else:
                value = self._target(line, header[1], cells[1])
                if self._new_photo(line, cells[0]) and value is not None:
                    targets.append(value)
                    subsets.append(cells[2] if with_subset else "")
        self.column = header[1]
        return Labels(
            kind=kind,
            photos=tuple(self._places),
            targets=tuple(targets),
            pairs=tuple(pairs),
            subsets=tuple(subsets) if with_subset else (),
        )

    def _offend(self, line: int, what: str) -> None:
        self.offenders.append((line, what))

    def _photo(self, line: int, name: str) -> int | None:
        """Index of the photo, new or known; None (and an offender) if there is no such file."""
        path = self.root / name
        if not name or not path.is_file():
            self._offend(line, f"no photo {name!r} in {self.root}")
            return None
        resolved = path.resolve()
        if resolved not in self._places:
            self._places[resolved] = len(self._places)
            if self.open_photos:
                self._open(line, name, resolved)
        return self._places[resolved]

    def _open(self, line: int, name: str, path: Path) -> None:
        try:
            decode(path.read_bytes())
        except ImageError as error:
            self._offend(line, f"{name!r} cannot be decoded: {error}")

    def _new_photo(self, line: int, name: str) -> bool:
        index = self._photo(line, name)
        return index is not None and self._first(line, (index,), f"{name!r} is labelled")

    def _first(self, line: int, key: tuple[int, ...], what: str) -> bool:
        first = self._first_lines.setdefault(key, line)
        if first != line:
            self._offend(line, f"{what} twice, first on line {first}")
        return first == line

    def _target(self, line: int, column: str, text: str) -> float | None:
        if column == "grade":
            if text.lower() not in GRADES:
                self._offend(line, f"grade {text!r}, expected one of {', '.join(GRADES)}")
                return None
            return float(GRADES.index(text.lower()))
        top = 100.0 if column == "score" else 1.0
        try:
            value = float(text)
        except ValueError:
            self._offend(line, f"{column} {text!r} is not a number")
            return None
        if not math.isfinite(value):
            self._offend(line, f"{column} {text!r} is not a finite number")
            return None
        if not 0.0 <= value <= top:
            self._offend(line, f"{column} {text} is out of range, expected 0 to {top:g}")
            return None
        return value / top

    def _pair(self, line: int, better: str, worse: str) -> list[tuple[int, int]]:
        first, second = self._photo(line, better), self._photo(line, worse)
        if first is None or second is None:
            return []
        if first == second:
            self._offend(line, f"{better!r} is compared with itself")
            return []
        contrary = self._first_lines.get((second, first))
        if contrary is not None:
            self._offend(line, f"{better!r} better than {worse!r} contradicts line {contrary}")
            return []
        new = self._first(line, (first, second), f"{better!r} better than {worse!r} is said")
        return [(first, second)] if new else []


def _refuse_offenders(path: Path, offenders: list[tuple[int, str]]) -> None:
    if not offenders:
        return
    shown = "".join(f"\n  line {line}: {what}" for line, what in offenders[:SHOWN_OFFENDERS])
    more = len(offenders) - SHOWN_OFFENDERS
    rest = f"\n  and {more} more" if more > 0 else ""
    raise TrainingError(f"{path}: {len(offenders)} labels cannot be used:{shown}{rest}")


def _refuse_too_little(path: Path, labels: Labels, minimum: int) -> None:
    if len(labels) < minimum:
        raise TrainingError(
            f"{path} holds {len(labels)} labels ({labels.kind}), expected at least {minimum}:"
            " label more photos"
        )
    if labels.kind != "pairs" and len(set(labels.targets)) == 1:
        value = labels.targets[0]
        said = GRADES[int(value)] if labels.kind == "grades" else f"{value:g} (0-1)"
        raise TrainingError(
            f"{path}: every photo is labelled {said}; expected at least two different"
            f" {labels.kind}, for nothing can be ranked by one"
        )
