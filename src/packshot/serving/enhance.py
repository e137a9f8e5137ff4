"""The stage ``enhance``: an encoded photo in, the restored photo out, encoded."""

from __future__ import annotations

from collections.abc import Sequence

from packshot.contracts import ENHANCE, IMAGE
from packshot.enhancement.restoration import RESTORE_TILING, restore
from packshot.imaging import decode, encode, read_rights
from packshot.serving.backend import Tensors, item_bytes
from packshot.serving.model_calls import ModelCall, calling_model
from packshot.serving.niceness import stand_back
from packshot.serving.picture_requests import (
    each_alone,
    picture_answer,
    read_limits,
    read_options,
    read_tiling,
    served_restore,
)
from packshot.serving.stage_context import StageContext


class Enhance:
    """Decodes, has ``restore_net`` mend the picture tile by tile, and encodes.

    Parameters in ``config.pbtxt``: ``max_bytes``, ``max_pixels``, ``max_side``, ``max_tile``,
    ``tile_margin`` and ``max_call_bytes``, 0 for the defaults; ``niceness``.
    """

    spec = ENHANCE

    def __init__(self, context: StageContext, call: ModelCall) -> None:
        self._limits = read_limits(context)
        self._tiling = read_tiling(context, RESTORE_TILING)
        self._network = served_restore(call)
        stand_back(context)

    def execute(self, requests: Sequence[Tensors]) -> list[Tensors | Exception]:
        """IMAGE to OUTPUT_IMAGE and OUTPUT_FACTS, for each request."""
        return each_alone(requests, self._answer)

    def close(self) -> None:
        """Nothing to give back."""

    def _answer(self, request: Tensors) -> Tensors:
        options = read_options(request)
        data = item_bytes(request[IMAGE.name], 0)
        image = decode(data, self._limits)
        restored = restore(image.pixels_hwc_u8, self._network, tiling=self._tiling)
        encoded = encode(restored, options, image.format, read_rights(data))
        return picture_answer(encoded.data, encoded.facts)


TritonPythonModel = calling_model(Enhance)
