"""What a contract is made of: tensors and models.

Shapes never include the batch dimension: every model here is served with a leading batch
dimension and ``max_batch_size`` >= 1. ``-1`` marks a variable dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dtype = Literal["UINT8", "INT32", "INT64", "FP32", "BYTES"]


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
