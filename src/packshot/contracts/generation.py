"""The models that make pictures."""

from __future__ import annotations

from typing import Final

from packshot.contracts.enhancement import FORMAT, SCALES
from packshot.contracts.tensors import ModelSpec, TensorSpec

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

GENERATION_FAMILY: Final = (GENERATOR_NET, GENERATE, GENERATE_STREAM)
"""The models that make pictures."""
