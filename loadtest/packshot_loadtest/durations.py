"""Lengths of time as people write them."""

from __future__ import annotations

import re
from typing import Final

from packshot_loadtest.errors import SettingsError

_UNITS: Final = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_FORM: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|)")


def seconds_of(text: str) -> float:
    """``90``, ``90s``, ``1.5m`` or ``1h30m`` in seconds.

    Raises:
        SettingsError: It is none of these.
    """
    parts = _FORM.findall(text.strip())
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise SettingsError(f"expected a time such as 90s, 2m or 1h30m, got {text!r}")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
