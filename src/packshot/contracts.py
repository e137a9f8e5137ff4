"""The contracts: tensor names, shapes, dtypes, attribute order and labels, in one place.

Everything that crosses a process boundary is declared here. ``config.pbtxt`` files, the
Python-backend models, the export flow, the client and the tests are all checked against it.

Shapes never include the batch dimension: every model here is served with a leading batch
dimension and ``max_batch_size`` >= 1. ``-1`` marks a variable dimension.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

Dtype = Literal["UINT8", "INT32", "INT64", "FP32", "BYTES"]
Decision = Literal["accept", "review", "reject"]
Fault = Literal["unknown_policy"]
"""What is wrong with a request that was refused, where callers tell it from all else."""

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

CATEGORIES: Final[tuple[str, ...]] = (
    "backpacks",
    "belts",
    "casual_shoes",
    "flats",
    "flip_flops",
    "formal_shoes",
    "handbags",
    "heels",
    "sandals",
    "sports_shoes",
    "sunglasses",
    "wallets",
    "watches",
)
"""What the generator can make, in the order of its class numbers."""


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """One input or output tensor of a served model.

    Attributes:
        name: Tensor name on the wire, UPPER_CASE.
        dtype: KServe v2 data type.
        shape: Shape without the batch dimension; ``-1`` is variable.
        optional: Whether a request may leave the tensor out (inputs only).
    """

    name: str
    dtype: Dtype
    shape: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """The contract of one served model: its name, tensors and largest batch."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_batch_size: int


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

SCALES: Final = (2, 4)
"""Factors that ``upscale`` enlarges by, one network each."""

OUTPUT_FORMATS: Final = ("jpeg", "png", "webp")
"""Formats of enhanced pictures, as ``FORMAT`` names them."""

THUMBNAIL: Final = TensorSpec(name="THUMBNAIL", dtype="UINT8", shape=(VIEW_SIZE, VIEW_SIZE, 3))
"""The global view of the whole picture that a tile is from, HWC, sRGB, 0-255: it sets the tone."""

PIXELS: Final = TensorSpec(name="PIXELS", dtype="UINT8", shape=(-1, -1, 3))
"""A picture or a tile of one, HWC, sRGB, 0-255."""

RESTORED: Final = TensorSpec(name="RESTORED", dtype="UINT8", shape=(-1, -1, 3))
"""The restored tile, of the size of ``PIXELS``."""

UPSCALED: Final = TensorSpec(name="UPSCALED", dtype="UINT8", shape=(-1, -1, 3))
"""The enlarged tile, both sides of ``PIXELS`` times the scale."""

FORMAT: Final = TensorSpec(name="FORMAT", dtype="BYTES", shape=(1,), optional=True)
"""One of ``OUTPUT_FORMATS``. Absent or empty: as the input where it is one of them, else PNG."""

OUTPUT_QUALITY: Final = TensorSpec(name="OUTPUT_QUALITY", dtype="INT32", shape=(1,), optional=True)
"""1-100, for JPEG and WebP. Absent or 0 means 92."""

MAX_SIDE: Final = TensorSpec(name="MAX_SIDE", dtype="INT32", shape=(1,), optional=True)
"""Longest side of the output, pixels; larger pictures are shrunk. Absent or 0 means no limit."""

SCALE: Final = TensorSpec(name="SCALE", dtype="INT32", shape=(1,), optional=True)
"""One of ``SCALES``. Absent or 0 means 2."""

OUTPUT_IMAGE: Final = TensorSpec(name="OUTPUT_IMAGE", dtype="BYTES", shape=(1,))
"""One encoded picture file, upright, sRGB, without private metadata."""

OUTPUT_FACTS: Final = TensorSpec(name="OUTPUT_FACTS", dtype="BYTES", shape=(1,))
"""JSON object: format, width, height and bytes of ``OUTPUT_IMAGE``; see ``imaging.encoding``."""

SCORES: Final = TensorSpec(name="SCORES", dtype="FP32", shape=(2,))
"""Score of the input and of ``OUTPUT_IMAGE``, 0-100; the second is never the lower."""

VERDICT_BEFORE: Final = TensorSpec(name="VERDICT_BEFORE", dtype="BYTES", shape=(1,))
"""``VERDICT`` of the input."""

VERDICT_AFTER: Final = TensorSpec(name="VERDICT_AFTER", dtype="BYTES", shape=(1,))
"""``VERDICT`` of ``OUTPUT_IMAGE``."""

STEPS: Final = TensorSpec(name="STEPS", dtype="BYTES", shape=(1,))
"""JSON object: what was tried, kept and left undone; see ``packshot.enhancement.optimization``."""

MAX_TILE_BATCH: Final = 8
"""Largest batch of the image networks: tiles of one size."""

RESTORE_NET: Final = ModelSpec(
    name="restore_net",
    inputs=(PIXELS, THUMBNAIL),
    outputs=(RESTORED,),
    max_batch_size=MAX_TILE_BATCH,
)

UPSCALE_NETS: Final[dict[int, ModelSpec]] = {
    scale: ModelSpec(
        name=f"upscale_x{scale}_net",
        inputs=(PIXELS,),
        outputs=(UPSCALED,),
        max_batch_size=MAX_TILE_BATCH,
    )
    for scale in SCALES
}
"""The upscaling networks by scale."""

# One picture a request: it keeps a core busy for seconds, so that a batch would only make the
# first wait for the last.
ENHANCE: Final = ModelSpec(
    name="enhance",
    inputs=(IMAGE, FORMAT, OUTPUT_QUALITY, MAX_SIDE),
    outputs=(OUTPUT_IMAGE, OUTPUT_FACTS),
    max_batch_size=1,
)

UPSCALE: Final = ModelSpec(
    name="upscale",
    inputs=(IMAGE, SCALE, FORMAT, OUTPUT_QUALITY, MAX_SIDE),
    outputs=(OUTPUT_IMAGE, OUTPUT_FACTS),
    max_batch_size=1,
)

OPTIMIZE: Final = ModelSpec(
    name="optimize",
    inputs=(IMAGE, POLICY, FORMAT, OUTPUT_QUALITY),
    outputs=(OUTPUT_IMAGE, OUTPUT_FACTS, SCORES, VERDICT_BEFORE, VERDICT_AFTER, STEPS),
    max_batch_size=1,
)

IMAGE_SIDE: Final = 64
"""Side, in pixels, of a picture that the generator makes."""

LATENT_SIZE: Final = 128
"""Length of its latent vector, drawn from a standard normal distribution."""

LATENT: Final = TensorSpec(name="LATENT", dtype="FP32", shape=(LATENT_SIZE,))
"""What decides the picture, standard normal."""

CATEGORY_NUMBER: Final = TensorSpec(name="CATEGORY", dtype="INT32", shape=(1,))
"""A position in ``CATEGORIES``."""

NET_TRUNCATION: Final = TensorSpec(name="TRUNCATION", dtype="FP32", shape=(1,))
"""0-1: 1 keeps the full variety, 0 gives the category's mean picture."""

GENERATED: Final = TensorSpec(name="IMAGE", dtype="UINT8", shape=(IMAGE_SIDE, IMAGE_SIDE, 3))
"""A generated picture, HWC, sRGB, 0-255."""

CATEGORY: Final = TensorSpec(name="CATEGORY", dtype="BYTES", shape=(1,))
"""One of ``CATEGORIES``, UTF-8."""

SEED: Final = TensorSpec(name="SEED", dtype="INT64", shape=(1,), optional=True)
"""0 to ``LARGEST_SEED``; candidate k has the seed ``SEED`` + k. Absent: the server draws one."""

COUNT: Final = TensorSpec(name="COUNT", dtype="INT32", shape=(1,), optional=True)
"""Pictures wanted. Absent means 1."""

TRUNCATION: Final = TensorSpec(name="TRUNCATION", dtype="FP32", shape=(1,), optional=True)
"""As ``NET_TRUNCATION``. Absent means ``DEFAULT_TRUNCATION``."""

GENERATION_SCALE: Final = TensorSpec(name="SCALE", dtype="INT32", shape=(1,), optional=True)
"""One of ``GENERATION_SCALES``. Absent or 0 means ``DEFAULT_GENERATION_SCALE``."""

MIN_SCORE: Final = TensorSpec(name="MIN_SCORE", dtype="FP32", shape=(1,), optional=True)
"""Least score of a picture, 0-100. Absent: pictures are neither scored nor held back."""

GENERATED_IMAGES: Final = TensorSpec(name="OUTPUT_IMAGE", dtype="BYTES", shape=(-1,))
"""As many encoded pictures as there are, marked as generated; possibly none."""

GENERATED_FACTS: Final = TensorSpec(name="OUTPUT_FACTS", dtype="BYTES", shape=(-1,))
"""JSON object for each: seed, score, watermark, ...; see ``packshot.generation.pictures``."""

SUMMARY: Final = TensorSpec(name="SUMMARY", dtype="BYTES", shape=(1,))
"""JSON object: what was asked for and what became of it; see ``packshot.generation.pictures``."""

GENERATION_SCALES: Final = (1, *SCALES)
DEFAULT_GENERATION_SCALE: Final = 4
DEFAULT_TRUNCATION: Final = 0.7
LARGEST_SEED: Final = 2**53 - 1
"""JSON readers of many languages round larger whole numbers."""

MOST_AT_ONCE: Final = 16
"""Most pictures in one answer of ``generate``: a sheet of 4 x 4."""

MOST_IN_A_STREAM: Final = 1000
"""Most pictures of one request of ``generate_stream``."""

GENERATOR_NET: Final = ModelSpec(
    name="generator_net",
    inputs=(LATENT, CATEGORY_NUMBER, NET_TRUNCATION),
    outputs=(GENERATED,),
    max_batch_size=16,
)

GENERATE: Final = ModelSpec(
    name="generate",
    inputs=(CATEGORY, SEED, COUNT, TRUNCATION, GENERATION_SCALE, FORMAT, MIN_SCORE),
    outputs=(GENERATED_IMAGES, GENERATED_FACTS, SUMMARY),
    max_batch_size=1,
)

# Decoupled: one response a picture, and a last one with the summary alone.
GENERATE_STREAM: Final = ModelSpec(
    name="generate_stream",
    inputs=GENERATE.inputs,
    outputs=GENERATE.outputs,
    max_batch_size=1,
)

DECOUPLED: Final = frozenset({GENERATE_STREAM.name})
"""Models that answer streaming calls only."""

QUALITY_FAMILY: Final = (DECODE_IMAGE, QUALITY_NET, QUALITY_VERDICT, QUALITY)
"""The models that judge."""

ENHANCEMENT_FAMILY: Final = (RESTORE_NET, *UPSCALE_NETS.values(), ENHANCE, UPSCALE, OPTIMIZE)
"""The models that mend."""

GENERATION_FAMILY: Final = (GENERATOR_NET, GENERATE, GENERATE_STREAM)
"""The models that make pictures."""

MODELS: Final[dict[str, ModelSpec]] = {
    spec.name: spec for spec in (*QUALITY_FAMILY, *ENHANCEMENT_FAMILY, *GENERATION_FAMILY)
}
"""Every served model by name."""

_FAULT: Final = re.compile(rf" \[packshot:({'|'.join(get_args(Fault))})\]")


def with_fault(message: str, fault: Fault) -> str:
    """An error message that says for programs too what is wrong: ``... [packshot:<fault>]``.

    Triton carries nothing but a status and a text, and INVALID_ARGUMENT is the status of
    everything that a caller can get wrong.
    """
    return f"{message} [packshot:{fault}]"


def split_fault(message: str) -> tuple[str, Fault | None]:
    """A server's message without what :func:`with_fault` added, and the fault if it names one."""
    found = _FAULT.search(message)
    if found is None:
        return message, None
    return message[: found.start()] + message[found.end() :], cast(Fault, found[1])
