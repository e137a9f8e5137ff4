"""The models that judge photos, and what their numbers mean."""

from __future__ import annotations

from typing import Final, Literal

from packshot.contracts.tensors import ModelSpec, TensorSpec

Decision = Literal["accept", "review", "reject"]

VIEW_SIZE: Final = 224
"""Side, in pixels, of both square network views."""

GRID: Final = 7
"""The fragments view is a mosaic of ``GRID`` x ``GRID`` native-resolution patches."""

PATCH_SIZE: Final = VIEW_SIZE // GRID
"""Side, in pixels, of one native-resolution patch (32)."""

LEARNED_ATTRIBUTES: Final[tuple[str, ...]] = (
    "sharpness",
    "exposure",
    "contrast",
    "colour",
    "noise",
    "compression",
    "resolution",
)
"""Attributes predicted by ``quality_net``, in the order of its ``ATTRIBUTES`` output."""

ATTRIBUTES: Final[tuple[str, ...]] = (*LEARNED_ATTRIBUTES, "composition")
"""All attributes of a verdict, in order. ``composition`` is measured, not learned."""

DECISIONS: Final[tuple[Decision, ...]] = ("accept", "review", "reject")
"""The decisions of a policy, best first."""

SCORE_RANGE: Final = (0.0, 100.0)
"""The overall score: predicted mean opinion score times 100."""

DEFAULT_POLICY: Final = "default"

IMAGE: Final = TensorSpec(name="IMAGE", dtype="BYTES", shape=(1,))
"""One encoded picture file (JPEG, PNG, WebP, GIF, BMP or TIFF)."""

POLICY: Final = TensorSpec(name="POLICY", dtype="BYTES", shape=(1,), optional=True)
"""Name of the marketplace policy, UTF-8. Absent or empty means ``DEFAULT_POLICY``."""

GLOBAL_VIEW: Final = TensorSpec(name="GLOBAL_VIEW", dtype="UINT8", shape=(VIEW_SIZE, VIEW_SIZE, 3))
"""The whole frame resized to 224x224, HWC, sRGB, 0-255."""

FRAGMENTS: Final = TensorSpec(name="FRAGMENTS", dtype="UINT8", shape=(VIEW_SIZE, VIEW_SIZE, 3))
"""7x7 mosaic of native-resolution 32x32 patches, HWC, sRGB, 0-255."""

FACTS: Final = TensorSpec(name="FACTS", dtype="BYTES", shape=(1,))
"""JSON object of image facts (size, format, composition), see ``packshot.imaging.facts``."""

SCORE: Final = TensorSpec(name="SCORE", dtype="FP32", shape=(1,))
"""Overall quality, 0-100, higher is better."""

UNCERTAINTY: Final = TensorSpec(name="UNCERTAINTY", dtype="FP32", shape=(1,))
"""Expected absolute error of ``SCORE``, in score points."""

NET_ATTRIBUTES: Final = TensorSpec(
    name="NET_ATTRIBUTES", dtype="FP32", shape=(len(LEARNED_ATTRIBUTES),)
)
"""``LEARNED_ATTRIBUTES`` in order, each 0-1, 1 is good."""

QUALITY_MAP: Final = TensorSpec(
    name="QUALITY_MAP", dtype="FP32", shape=(len(LEARNED_ATTRIBUTES), GRID, GRID)
)
"""``LEARNED_ATTRIBUTES`` for each patch of the fragments view, each 0-1, 1 is good."""

ATTRIBUTE_VALUES: Final = TensorSpec(name="ATTRIBUTES", dtype="FP32", shape=(len(ATTRIBUTES),))
"""``ATTRIBUTES`` in order, each 0-1, 1 is good."""

VERDICT: Final = TensorSpec(name="VERDICT", dtype="BYTES", shape=(1,))
"""JSON object: decision, reasons, advice, image facts. See ``packshot.policy.verdict``."""

MAX_BATCH_SIZE: Final = 32
"""Largest batch of the quality family: one search-result page in one call."""

DECODE_IMAGE: Final = ModelSpec(
    name="decode_image",
    inputs=(IMAGE,),
    outputs=(GLOBAL_VIEW, FRAGMENTS, FACTS),
    max_batch_size=MAX_BATCH_SIZE,
)

QUALITY_NET: Final = ModelSpec(
    name="quality_net",
    inputs=(GLOBAL_VIEW, FRAGMENTS),
    outputs=(SCORE, NET_ATTRIBUTES, UNCERTAINTY, QUALITY_MAP),
    max_batch_size=MAX_BATCH_SIZE,
)

QUALITY_VERDICT: Final = ModelSpec(
    name="quality_verdict",
    inputs=(SCORE, NET_ATTRIBUTES, UNCERTAINTY, QUALITY_MAP, FACTS, POLICY),
    # SCORE passes through: Triton (2.51) fails a request for an ensemble's SCORE alone with
    # "unexpected deadlock" when an earlier step than the last gives it.
    outputs=(SCORE, ATTRIBUTE_VALUES, VERDICT),
    max_batch_size=MAX_BATCH_SIZE,
)

QUALITY: Final = ModelSpec(
    name="quality",
    inputs=(IMAGE, POLICY),
    outputs=(SCORE, ATTRIBUTE_VALUES, VERDICT),
    max_batch_size=MAX_BATCH_SIZE,
)

QUALITY_FAMILY: Final = (DECODE_IMAGE, QUALITY_NET, QUALITY_VERDICT, QUALITY)
"""The models that judge."""
