"""Encoded photos to pixels, to network input and to facts; limits before decoding."""

from __future__ import annotations

try:
    from packshot.imaging.composition import Composition, measure_composition
    from packshot.imaging.decode import DecodedImage, decode
    from packshot.imaging.facts import Facts, facts_to_json, gather_facts
    from packshot.imaging.limits import Limits
    from packshot.imaging.preparation import PreparedImage, prepare
    from packshot.imaging.views import fragments, global_view
except ModuleNotFoundError as error:
    raise ImportError(
        f"packshot.imaging needs {error.name}: pip install 'packshot[imaging]'"
    ) from error

__all__ = [
    "Composition",
    "DecodedImage",
    "Facts",
    "Limits",
    "PreparedImage",
    "decode",
    "facts_to_json",
    "fragments",
    "gather_facts",
    "global_view",
    "measure_composition",
    "prepare",
]
