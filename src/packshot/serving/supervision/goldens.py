"""Small inputs by which each model proves that it answers, and what the answers must be.

Every round of inputs differs from the last: a response cache would answer for the model.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np

from packshot.contracts import (
    CATEGORIES,
    CATEGORY,
    FACTS,
    GENERATION_SCALE,
    IMAGE,
    MODELS,
    SEED,
    ModelSpec,
    TensorSpec,
)
from packshot.errors import ContractError
from packshot.imaging import Limits, facts_to_json, prepare
from packshot.serving.backend import NUMPY_DTYPES, Array, Tensors, bytes_tensor
from packshot.serving.endpoint import TINY_PNG

_OF_GENERATORS: Final = (SEED, GENERATION_SCALE)
"""Optional inputs that are sent, so that a generated picture is new, and costs little."""

_IEND: Final = b"\0\0\0\0IEND"


def golden_inputs(model: str, turn: int) -> Tensors | None:
    """Inputs, a batch of one, that the model must be able to answer.

    Args:
        model: A model of ``packshot.contracts``.
        turn: Makes the inputs different from those of other turns.

    Returns:
        ``None`` for a model that the contracts do not know.
    """
    spec = MODELS.get(model)
    if spec is None:
        return None
    # By the model, not the tensor alone: enlarging has a SCALE too, which must not be 1.
    generates = CATEGORY in spec.inputs
    return {
        tensor.name: _value(tensor, turn)
        for tensor in spec.inputs
        if not tensor.optional or (generates and tensor in _OF_GENERATORS)
    }


def check_golden_answer(model: str, answer: Tensors) -> None:
    """Check the answer to ``golden_inputs``.

    Raises:
        ContractError: An output is missing, has another shape or dtype, or is not finite.
    """
    spec: ModelSpec = MODELS[model]
    for tensor in spec.outputs:
        array = answer.get(tensor.name)
        if array is None:
            raise ContractError(f"{model} left out {tensor.name}")
        fits = array.ndim == 1 + len(tensor.shape) and all(
            expected in (-1, actual)
            for expected, actual in zip(tensor.shape, array.shape[1:], strict=True)
        )
        if array.dtype != np.dtype(NUMPY_DTYPES[tensor.dtype]) or not fits or len(array) != 1:
            raise ContractError(
                f"{model} gave {tensor.name} as {array.dtype} {list(array.shape)}, expected "
                f"{tensor.dtype} {[1, *tensor.shape]}"
            )
        if tensor.dtype == "FP32" and not np.isfinite(array).all():
            raise ContractError(f"{model} gave {tensor.name} with values that are not finite")


def marked_png(turn: int) -> bytes:
    """The tiny picture with a comment that no other turn has; its pixels are the same."""
    text = b"turn\0" + str(turn).encode()
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text
    chunk += struct.pack(">I", zlib.crc32(b"tEXt" + text))
    end = TINY_PNG.index(_IEND)
    return TINY_PNG[:end] + chunk + TINY_PNG[end:]


def _value(tensor: TensorSpec, turn: int) -> Array:
    # The smallest tile, where sizes are free.
    shape = (1, *(64 if size == -1 else size for size in tensor.shape))
    if tensor.dtype == "BYTES":
        return bytes_tensor([_text(tensor, turn)])
    if tensor.dtype == "UINT8":
        values = np.full(shape, 128, np.uint8)
        values.flat[:4] = np.frombuffer(struct.pack("<I", turn % 2**32), np.uint8)
        return values
    if tensor.dtype == "INT32":
        return np.ones(shape, np.int32)
    if tensor.dtype == "INT64":
        return np.full(shape, turn % 2**32, np.int64)
    values = np.full(shape, 0.5, np.float32)
    values.flat[0] = 0.5 + (turn % 1000) / 1e6
    return values


def _text(tensor: TensorSpec, turn: int) -> bytes:
    if tensor.name == FACTS.name:
        return facts_to_json(prepare(TINY_PNG, Limits()).facts).encode()
    if tensor == CATEGORY:
        return CATEGORIES[turn % len(CATEGORIES)].encode()
    return marked_png(turn) if tensor.name == IMAGE.name else b""
