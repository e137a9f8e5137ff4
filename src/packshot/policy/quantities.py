"""The quantities that rules and advice may speak of, measured from a photo's facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

Value: TypeAlias = float | bool | str
Facts: TypeAlias = Mapping[str, Any]
Kind = Literal["number", "flag", "text"]

MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """Something measured of a photo.

    Attributes:
        kind: Numbers have a minimum and maximum, flags and texts a set of allowed values.
        read: From the facts; None where it was not measured, and then no rule applies.
        show: For people.
    """

    kind: Kind
    read: Callable[[Facts], Value | None]
    show: Callable[[Any], str]


def _fact(name: str) -> Callable[[Facts], Value | None]:
    return lambda facts: facts.get(name)


def _part(group: str, name: str) -> Callable[[Facts], Value | None]:
    def read(facts: Facts) -> Value | None:
        part = facts.get(group)
        return part.get(name) if isinstance(part, Mapping) else None

    return read


def _on_plain(name: str) -> Callable[[Facts], Value | None]:
    # Along the border of a cluttered room, whiteness and the like mean nothing.
    def read(facts: Facts) -> Value | None:
        composition = facts.get("composition")
        if not isinstance(composition, Mapping) or not composition.get("background_plain"):
            return None
        return composition.get(name)

    return read


def _sides(choose: Callable[[int, int], int]) -> Callable[[Facts], Value | None]:
    def read(facts: Facts) -> Value | None:
        width, height = facts.get("width"), facts.get("height")
        if not isinstance(width, int) or not isinstance(height, int):
            return None
        return choose(width, height)

    return read


def _megapixels(facts: Facts) -> Value | None:
    area = _sides(lambda width, height: width * height)(facts)
    return None if area is None else float(area) / 1e6


def _pixels(value: float) -> str:
    return f"{value:.0f} px"


def _share(value: float) -> str:
    return f"{value * 100:.0f} %"


def _plain_number(value: float) -> str:
    return f"{value:.2f}"


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"


def _number(read: Callable[[Facts], Value | None], show: Callable[[float], str]) -> Quantity:
    return Quantity(kind="number", read=read, show=show)


def _flag(read: Callable[[Facts], Value | None]) -> Quantity:
    return Quantity(kind="flag", read=read, show=_yes_no)


QUANTITIES: Final[Mapping[str, Quantity]] = {
    "width": _number(_fact("width"), _pixels),
    "height": _number(_fact("height"), _pixels),
    "short_side": _number(_sides(min), _pixels),
    "long_side": _number(_sides(max), _pixels),
    "megapixels": _number(_megapixels, lambda value: f"{value:.1f} MP"),
    "bytes": _number(_fact("bytes"), lambda value: f"{value / MEGABYTE:.1f} MB"),
    "fill_ratio": _number(_part("composition", "fill_ratio"), _share),
    "centre_offset": _number(_part("composition", "centre_offset"), _share),
    "background_whiteness": _number(_on_plain("background_whiteness"), _share),
    "background_uniformity": _number(_on_plain("background_uniformity"), _share),
    "brightness": _number(_part("tone", "brightness"), _plain_number),
    "shadows": _number(_part("tone", "shadows"), _share),
    "highlights": _number(_part("tone", "highlights"), _share),
    "background_plain": _flag(_part("composition", "background_plain")),
    "touches_edge": _flag(_part("composition", "touches_edge")),
    "border": _flag(_part("composition", "border")),
    "animated": _flag(_fact("animated")),
    "has_alpha": _flag(_fact("has_alpha")),
    "format": Quantity(kind="text", read=_fact("format"), show=str),
    "color_mode": Quantity(kind="text", read=_fact("color_mode"), show=str),
}
"""Every quantity by the name that TOML files use. ``MB`` counts 1024 x 1024 bytes."""
