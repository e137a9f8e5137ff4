"""Encoded photos to pixels, to network input and to facts, and back; limits before decoding."""

from __future__ import annotations

try:
    from packshot.imaging.composition import Composition, measure_composition
    from packshot.imaging.decode import DecodedImage, decode
    from packshot.imaging.encoding import EncodedImage, OutputOptions, encode
    from packshot.imaging.facts import Facts, facts_to_json, gather_facts
    from packshot.imaging.limits import Limits
    from packshot.imaging.metadata import Rights, read_rights, without_private_metadata
    from packshot.imaging.preparation import PreparedImage, prepare, prepare_decoded
    from packshot.imaging.product import Product, find_product
    from packshot.imaging.tiling import Tiling, map_tiles
    from packshot.imaging.views import fragments, global_view
except ModuleNotFoundError as error:
    raise ImportError(
        f"packshot.imaging needs {error.name}: pip install 'packshot[imaging]'"
    ) from error

__all__ = [
    "Composition",
    "DecodedImage",
    "EncodedImage",
    "Facts",
    "Limits",
    "OutputOptions",
    "PreparedImage",
    "Product",
    "Rights",
    "Tiling",
    "decode",
    "encode",
    "facts_to_json",
    "find_product",
    "fragments",
    "gather_facts",
    "global_view",
    "map_tiles",
    "measure_composition",
    "prepare",
    "prepare_decoded",
    "read_rights",
    "without_private_metadata",
]
