"""The models that mend photos."""

from __future__ import annotations

from typing import Final

from packshot.contracts.quality import IMAGE, POLICY, VIEW_SIZE
from packshot.contracts.tensors import ModelSpec, TensorSpec

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

ENHANCEMENT_FAMILY: Final = (RESTORE_NET, *UPSCALE_NETS.values(), ENHANCE, UPSCALE, OPTIMIZE)
"""The models that mend."""
