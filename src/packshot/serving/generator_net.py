"""The stage ``generator_net`` on the CPU: the exported network in OpenVINO."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from packshot.contracts import (
    CATEGORIES,
    CATEGORY_NUMBER,
    GENERATED,
    GENERATOR_NET,
    LATENT,
    NET_TRUNCATION,
)
from packshot.errors import ContractError
from packshot.serving.backend import Array, Tensors, python_model
from packshot.serving.called_models import NETWORK_FILE
from packshot.serving.compiled_network import compiled_network
from packshot.serving.niceness import stand_back
from packshot.serving.picture_requests import each_alone
from packshot.serving.stage_context import StageContext


class GeneratorNet:
    """Makes each picture of a batch by itself, with all threads.

    A batch tensor buys nothing on a CPU, and its sums would be rounded in another order: a seed
    must give the same bytes whoever else asks at the same time.

    Parameters in ``config.pbtxt``: ``model_file``, in the version folder; ``threads``, 0 for its
    share of the cores; ``niceness``.
    """

    spec = GENERATOR_NET

    def __init__(self, context: StageContext) -> None:
        path = context.version_directory / context.text("model_file", NETWORK_FILE)
        threads = context.threads()
        shapes = {tensor.name: (1, *tensor.shape) for tensor in GENERATOR_NET.inputs}
        network = compiled_network(path, threads=threads, shapes=shapes)
        self._request = network.create_infer_request()
        self._warm_up()
        stand_back(context)

    def execute(self, requests: Sequence[Tensors]) -> list[Tensors | Exception]:
        """LATENT, CATEGORY and TRUNCATION to IMAGE u8 [batch, 64, 64, 3], for each request."""
        return each_alone(requests, self._answer)

    def close(self) -> None:
        """Nothing to give back: OpenVINO's memory goes with the process."""

    def _answer(self, request: Tensors) -> Tensors:
        _check(request)
        batch = len(request[LATENT.name])
        return {GENERATED.name: np.stack([self._picture(request, i) for i in range(batch)])}

    def _picture(self, request: Tensors, index: int) -> Array:
        inputs = {name: array[index : index + 1] for name, array in request.items()}
        self._request.infer(inputs, share_inputs=True)
        return np.array(self._request.get_tensor(GENERATED.name).data[0])

    def _warm_up(self) -> None:
        # The first inference allocates memory and compiles kernels.
        dtypes = {LATENT: np.float32, CATEGORY_NUMBER: np.int32, NET_TRUNCATION: np.float32}
        zeros = {spec.name: np.zeros((1, *spec.shape), dtype) for spec, dtype in dtypes.items()}
        self._picture(zeros, 0)


def _check(request: Tensors) -> None:
    number, truncation = request[CATEGORY_NUMBER.name], request[NET_TRUNCATION.name]
    if number.min() < 0 or number.max() >= len(CATEGORIES):
        raise ContractError(
            f"{CATEGORY_NUMBER.name} must be 0 to {len(CATEGORIES) - 1}, a position in "
            f"{', '.join(CATEGORIES)}; got {number.ravel().tolist()[:20]}."
        )
    if not ((truncation >= 0) & (truncation <= 1)).all():
        raise ContractError(
            f"{NET_TRUNCATION.name} must be 0 to 1, got {truncation.ravel().tolist()[:20]}."
        )
    if not np.isfinite(request[LATENT.name]).all():
        raise ContractError(f"{LATENT.name} holds values that are not finite.")


TritonPythonModel = python_model(GeneratorNet)
