"""The stage ``upscale``: an encoded photo in, the photo two or four times as large out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from packshot.contracts import IMAGE, PIXELS, SCALE, SCALES, UPSCALE, UPSCALE_NETS, UPSCALED
from packshot.enhancement.upscaling import UPSCALE_TILING, upscale
from packshot.errors import ContractError, ImageTooLargeError
from packshot.imaging import DecodedImage, decode, encode, read_rights
from packshot.serving.backend import Tensors, item_bytes
from packshot.serving.model_calls import ModelCall, calling_model
from packshot.serving.niceness import stand_back
from packshot.serving.picture_requests import (
    each_alone,
    picture_answer,
    read_limits,
    read_number,
    read_options,
    read_tiling,
)
from packshot.serving.stage_context import StageContext

MAX_OUTPUT_PIXELS: Final = 64_000_000


class Upscale:
    """Decodes, has ``upscale_x2_net`` or ``upscale_x4_net`` enlarge the tiles, and encodes.

    Parameters in ``config.pbtxt``: as for ``enhance``, and ``max_output_pixels``, 0 for 64
    megapixels.
    """

    spec = UPSCALE

    def __init__(self, context: StageContext, call: ModelCall) -> None:
        self._limits = read_limits(context)
        self._max_output_pixels = context.count("max_output_pixels", 0) or MAX_OUTPUT_PIXELS
        self._tiling = read_tiling(context, UPSCALE_TILING)
        self._call = call
        stand_back(context)

    def execute(self, requests: Sequence[Tensors]) -> list[Tensors | Exception]:
        """IMAGE and SCALE to OUTPUT_IMAGE and OUTPUT_FACTS, for each request."""
        return each_alone(requests, self._answer)

    def close(self) -> None:
        """Nothing to give back."""

    def _answer(self, request: Tensors) -> Tensors:
        options = read_options(request)
        scale = _read_scale(request)
        data = item_bytes(request[IMAGE.name], 0)
        image = decode(data, self._limits)
        self._check_size(image, scale)
        network = UPSCALE_NETS[scale]
        enlarged = upscale(
            image.pixels_hwc_u8,
            lambda tiles: self._call(network, {PIXELS.name: tiles})[UPSCALED.name],
            scale=scale,
            tiling=self._tiling,
        )
        encoded = encode(enlarged, options, image.format, read_rights(data))
        return picture_answer(encoded.data, encoded.facts)

    def _check_size(self, image: DecodedImage, scale: int) -> None:
        width, height = scale * image.width, scale * image.height
        if width * height > self._max_output_pixels:
            raise ImageTooLargeError(
                f"The image is {image.width} x {image.height} pixels; enlarged by {scale} it would "
                f"be {width} x {height} ({width * height / 1e6:.1f} megapixels), at most "
                f"{self._max_output_pixels / 1e6:g} megapixels are made. Use a smaller scale or "
                "picture."
            )


def _read_scale(request: Tensors) -> int:
    scale = read_number(request, SCALE) or SCALES[0]
    if scale not in SCALES:
        known = " or ".join(map(str, SCALES))
        raise ContractError(f"{SCALE.name} must be {known}, got {scale}.")
    return scale


TritonPythonModel = calling_model(Upscale)
