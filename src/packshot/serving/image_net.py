"""The stages ``restore_net`` and ``upscale_x*_net`` on the CPU: image networks in OpenVINO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from packshot.contracts import MODELS, PIXELS, VIEW_SIZE
from packshot.errors import ContractError
from packshot.serving.backend import Array, Tensors, python_model
from packshot.serving.called_models import NETWORK_FILE
from packshot.serving.compiled_network import compiled_network
from packshot.serving.niceness import stand_back
from packshot.serving.stage_context import StageContext

LARGEST_SIDE: Final = 1024
"""Longest side of a tile that direct callers may send: activations take 0.3 kB a pixel."""


class ImageNet:
    """Runs the network on each tile of a batch by itself, with all threads.

    A batch tensor buys nothing on a CPU. Sizes are free: a new one costs about 0.1 s, once, and
    callers keep to few (``packshot.imaging.tiling``).

    Which network it is, the model's folder says, which Triton wants to be the model's name.

    Parameters in ``config.pbtxt``: ``model_file``, in the version folder; ``threads``, 0 for its
    share of the cores; ``side_multiple``, of which both sides must be multiples; ``niceness``.
    """

    def __init__(self, context: StageContext) -> None:
        self.spec = MODELS[context.version_directory.parent.name]
        path = context.version_directory / context.text("model_file", NETWORK_FILE)
        threads = context.threads()
        self._side_multiple = context.count("side_multiple", 1) or 1
        self._request = compiled_network(path, threads=threads).create_infer_request()
        self._output = self.spec.outputs[0].name
        self._warm_up()
        stand_back(context)

    def execute(self, requests: Sequence[Tensors]) -> list[Tensors | Exception]:
        """PIXELS u8 [batch, H, W, 3], and THUMBNAIL, to the new pixels, for each request."""
        return [self._answer(request) for request in requests]

    def close(self) -> None:
        """Nothing to give back: OpenVINO's memory goes with the process."""

    def _answer(self, request: Tensors) -> Tensors | Exception:
        try:
            self._check_sides(request[PIXELS.name])
            batch = len(request[PIXELS.name])
            tiles = [self._tile(request, index) for index in range(batch)]
        except Exception as error:  # noqa: BLE001 - belongs to this request alone
            return error
        return {self._output: np.stack(tiles)}

    def _check_sides(self, pixels: Array) -> None:
        height, width = pixels.shape[1:3]
        multiple = self._side_multiple
        if max(height, width) > LARGEST_SIDE or height % multiple or width % multiple:
            raise ContractError(
                f"{PIXELS.name} must have sides of at most {LARGEST_SIDE} pixels"
                f"{f' that are multiples of {multiple}' if multiple > 1 else ''}, got "
                f"{width} x {height}. For pictures of any size call enhance or upscale."
            )

    def _tile(self, request: Tensors, index: int) -> Array:
        inputs = {name: array[index : index + 1] for name, array in request.items()}
        self._request.infer(inputs, share_inputs=True)
        return np.array(self._request.get_tensor(self._output).data[0])

    def _warm_up(self) -> None:
        # The first inference allocates memory and compiles kernels.
        self.execute(
            [
                {
                    tensor.name: np.zeros(
                        [1, *(VIEW_SIZE if side == -1 else side for side in tensor.shape)],
                        np.uint8,
                    )
                    for tensor in self.spec.inputs
                }
            ]
        )


TritonPythonModel = python_model(ImageNet)
