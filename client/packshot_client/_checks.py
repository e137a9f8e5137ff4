"""Checks of settings, shared by the dataclasses that hold them."""

from __future__ import annotations

import math

from packshot_client._exceptions import ConfigError


def checked_seconds(seconds: float, name: str, *, zero: bool = False) -> float:
    """``seconds`` if it is a finite number above 0, or 0 where that is allowed.

    Raises:
        ConfigError: It is not.
    """
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not math.isfinite(seconds) or seconds < 0 or (seconds == 0 and not zero):
        bound = "0 or more" if zero else "above 0"
        raise ConfigError(f"{name} must be a number of seconds {bound}, got {seconds!r}")
    return float(seconds)


def checked_count(count: int, name: str, *, least: int = 1) -> int:
    """``count`` if it is a whole number of ``least`` or more.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(count, int) or isinstance(count, bool) or count < least:
        raise ConfigError(f"{name} must be a whole number of {least} or more, got {count!r}")
    return count


def checked_share(share: float, name: str) -> float:
    """``share`` if it is a number from 0 to 1.

    Raises:
        ConfigError: It is not.
    """
    return checked_within(share, name, (0, 1))


def checked_within(number: float, name: str, bounds: tuple[float, float]) -> float:
    """``number`` if it is one, from the first bound to the second.

    Raises:
        ConfigError: It is not.
    """
    least, most = bounds
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if not is_number or not least <= number <= most:
        raise ConfigError(f"{name} must be a number from {least:g} to {most:g}, got {number!r}")
    return float(number)


def checked_version(version: str, name: str) -> str:
    """``version`` if it is a model version: a whole number as text.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(version, str) or not version.isdecimal():
        raise ConfigError(f"{name} must be a whole number as text, got {version!r}")
    return version


def checked_name(name: str, what: str) -> str:
    """``name`` if it is a text that can be a model's name.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"{what} must be a name such as 'quality', got {name!r}")
    return name
