"""The stage ``quality_net`` on the CPU: the exported network in OpenVINO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov

from packshot.contracts import QUALITY_NET
from packshot.serving.backend import Array, Tensors, python_model
from packshot.serving.called_models import NETWORK_FILE
from packshot.serving.compiled_network import compiled_network
from packshot.serving.stage_context import StageContext


class QualityNet:
    """Runs the network on every image of a dynamic batch, one image per inference.

    One image alone gets all threads. Several share them, ``streams`` at a time, since a batch
    tensor buys nothing on a CPU: with two threads, 16 images took 25/s as one batch and 47/s
    as single images on two streams, and every new batch size cost up to 1.7 s when first seen.

    Parameters in ``config.pbtxt``: ``model_file``, in the version folder; ``threads``, 0 for its
    share of the cores, but two where there are; ``streams``, images side by side when there are
    several, 0 for one per thread.
    """

    spec = QUALITY_NET

    def __init__(self, context: StageContext) -> None:
        path = context.version_directory / context.text("model_file", NETWORK_FILE)
        # On two cores each process has one by right, and a lone image would leave the other idle.
        threads = context.threads(at_least=2)
        streams = min(context.count("streams", 0) or threads, threads)
        # A fixed shape runs a quarter faster than a dynamic one.
        shapes = {tensor.name: (1, *tensor.shape) for tensor in QUALITY_NET.inputs}
        alone = many = compiled_network(path, threads=threads, shapes=shapes)
        if streams > 1:
            many = compiled_network(path, threads=threads, streams=streams, shapes=shapes)
        self._alone = alone.create_infer_request()
        self._many = ov.AsyncInferQueue(many, streams)
        self._many.set_callback(_keep_outputs)
        self._warm_up(streams)

    def execute(self, requests: Sequence[Tensors]) -> list[Tensors | Exception]:
        """GLOBAL_VIEW and FRAGMENTS u8 [batch, 224, 224, 3] to scores, for each request."""
        answers = [_empty_outputs(len(next(iter(request.values())))) for request in requests]
        jobs = [
            (request, answer, index)
            for request, answer in zip(requests, answers, strict=True)
            for index in range(len(next(iter(request.values()))))
        ]
        if len(jobs) == 1:
            request, answer, index = jobs[0]
            self._alone.infer(_image(request, index), share_inputs=True)
            _keep_outputs(self._alone, (answer, index))
        else:
            for request, answer, index in jobs:
                self._many.start_async(
                    _image(request, index), userdata=(answer, index), share_inputs=True
                )
            self._many.wait_all()
        return list(answers)

    def close(self) -> None:
        """Nothing to give back: OpenVINO's memory goes with the process."""

    def _warm_up(self, streams: int) -> None:
        # The first inference of each stream allocates its memory and takes twice as long.
        for batch in (1, 2 * streams):
            views = np.zeros((batch, *QUALITY_NET.inputs[0].shape), np.uint8)
            self.execute([{tensor.name: views for tensor in QUALITY_NET.inputs}])


def _image(request: Tensors, index: int) -> dict[str, Array]:
    return {tensor.name: request[tensor.name][index : index + 1] for tensor in QUALITY_NET.inputs}


def _empty_outputs(batch: int) -> dict[str, Array]:
    return {
        tensor.name: np.empty((batch, *tensor.shape), np.float32) for tensor in QUALITY_NET.outputs
    }


def _keep_outputs(infer_request: Any, destination: tuple[dict[str, Array], int]) -> None:
    answer, index = destination
    for tensor in QUALITY_NET.outputs:
        answer[tensor.name][index] = infer_request.get_tensor(tensor.name).data[0]


TritonPythonModel = python_model(QualityNet)
