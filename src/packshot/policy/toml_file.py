"""A TOML file read with care: every mistake is named with its file, line and key."""

from __future__ import annotations

import difflib
import importlib
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from packshot.errors import InvalidPolicyError

KeyPath: TypeAlias = tuple[str | int, ...]

_MAX_BYTES: Final = 1024 * 1024
_HEADER: Final = re.compile(r"^\s*(\[\[|\[)\s*([^\[\]]+?)\s*\]")
_ASSIGNMENT: Final = re.compile(r"^\s*([\w.\-\"']+)\s*=")
_NAMES: Final[Mapping[type, str]] = {
    str: "text in quotes",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "a table",
    list: "a list",
    date: "a date such as 2027-01-31",
}


@dataclass(frozen=True, kw_only=True)
class TomlTable:
    """One table of a file, and where in the file it is.

    Every reader raises ``InvalidPolicyError`` naming file, line, key, what was got and expected.

    Attributes:
        path: The file.
        text: Its whole text, to find lines in.
        keys: Where this table is in the file.
        values: The table.
    """

    path: Path
    text: str
    keys: KeyPath
    values: Mapping[str, Any]

    def error(self, key: str | None, problem: str) -> InvalidPolicyError:
        """The error to raise about ``key`` of this table."""
        keys = self.keys if key is None else (*self.keys, key)
        line = _line_of(self.text, keys)
        place = f"{self.path}, line {line}" if line else str(self.path)
        return InvalidPolicyError(f"{place}: {_dotted(keys) or 'the file'} {problem}.")

    def only(self, allowed: Iterable[str]) -> None:
        """Refuse keys outside ``allowed``: a typing mistake must not switch a rule off."""
        names = sorted(allowed)
        for key in self.values:
            if key not in names:
                close = difflib.get_close_matches(key, names, 1)
                hint = f"; did you mean {close[0]!r}" if close else ""
                raise self.error(key, f"is not known here{hint}; expected {', '.join(names)}")

    def text_at(self, key: str, default: str | None = None) -> str:
        """A text that is not empty."""
        value = self._value(key, str, default)
        if not value.strip():
            raise self.error(key, "is empty; expected text")
        return str(value)

    def choice(self, key: str, allowed: Collection[str]) -> str:
        """A text out of ``allowed``."""
        value = self._value(key, str, None)
        if value not in allowed:
            raise self.error(key, f"is {value!r}; expected {' or '.join(allowed)}")
        return str(value)

    def number(
        self, key: str, low: float, high: float = float("inf"), default: float | None = None
    ) -> float:
        """A number from ``low`` to ``high``."""
        value = float(self._value(key, float, default))
        if not low <= value <= high:
            wanted = f"from {low:g} to {high:g}" if high < float("inf") else f"of at least {low:g}"
            raise self.error(key, f"is {value:g}; expected a number {wanted}")
        return value

    def flag(self, key: str) -> bool:
        """True or false."""
        return bool(self._value(key, bool, None))

    def day(self, key: str) -> date:
        """A date."""
        value: date = self._value(key, date, None)
        return value

    def texts(self, key: str) -> list[str]:
        """A list of texts; absent is empty."""
        values = self._value(key, list, [])
        for value in values:
            if not isinstance(value, str):
                raise self.error(key, f"holds {value!r}; expected texts in quotes")
        return list(values)

    def table(self, key: str) -> TomlTable:
        """A table; absent is empty."""
        values = self._value(key, dict, {})
        return TomlTable(path=self.path, text=self.text, keys=(*self.keys, key), values=values)

    def tables(self, key: str) -> Iterator[TomlTable]:
        """The tables of a list; absent is empty."""
        for index, values in enumerate(self._value(key, list, [])):
            keys = (*self.keys, key, index)
            if not isinstance(values, dict):
                raise self.error(key, f"holds {values!r}; expected tables, written [[{key}]]")
            yield TomlTable(path=self.path, text=self.text, keys=keys, values=values)

    def _value(self, key: str, kind: type, default: Any) -> Any:
        if key not in self.values:
            if default is None:
                raise self.error(key, f"is missing; expected {_NAMES[kind]}")
            return default
        value = self.values[key]
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        # In Python a bool is an int and a datetime is a date; in a policy neither is meant.
        if not isinstance(value, kind) or (kind is date and isinstance(value, datetime)):
            raise self.error(key, f"is {value!r}; expected {_NAMES[kind]}")
        return value


def read_toml(path: Path) -> TomlTable:
    """Read a TOML file.

    Args:
        path: The file, UTF-8.

    Returns:
        Its root table.

    Raises:
        InvalidPolicyError: The file cannot be read, or is not TOML.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InvalidPolicyError(f"{path}: larger than 1 MiB; expected a short TOML file.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidPolicyError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise InvalidPolicyError(f"{path}: not UTF-8 text ({error}); save it as UTF-8.") from error
    # tomllib is new in Python 3.11; the thin client never reads policies and needs neither.
    library = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        values = library.loads(text)
    except library.TOMLDecodeError as error:
        reason = str(error).replace(
            "at end of document", f"at the end, line {len(text.splitlines())}"
        )
        raise InvalidPolicyError(f"{path}: not valid TOML: {reason}.") from error
    return TomlTable(path=path, text=text, keys=(), values=values)


def _dotted(keys: KeyPath) -> str:
    words = ""
    for key in keys:
        # People count from one.
        words += f"[{key + 1}]" if isinstance(key, int) else f".{key}"
    return words.lstrip(".")


def _line_of(text: str, keys: KeyPath) -> int | None:
    """The line of the longest part of ``keys`` that the text writes out, counted from 1."""
    best: tuple[int, int] | None = None
    for number, written in _written_keys(text):
        depth = len(written)
        if written == keys[:depth] and (best is None or depth > best[0]):
            best = (depth, number)
    return best[1] if best else None


def _written_keys(text: str) -> Iterator[tuple[int, KeyPath]]:
    current: KeyPath = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            names = _split(header.group(2))
            if header.group(1) == "[[":
                counts[names[0]] = counts.get(names[0], -1) + 1
            index = (counts[names[0]],) if names[0] in counts else ()
            current = (names[0], *index, *names[1:])
            yield number, current
        elif assignment := _ASSIGNMENT.match(line):
            yield number, (*current, *_split(assignment.group(1)))


def _split(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
