"""The precisions a network is built in, and what each may cost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Precision(str, Enum):
    """How the network computes. Decided in the ONNX graph, the same for every runtime."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """Largest difference from the expected value: ``absolute + relative * |expected|``."""

    absolute: float
    relative: float = 0.0

    def __post_init__(self) -> None:
        if self.absolute < 0 or self.relative < 0:
            raise ValueError(f"tolerances must be 0 or more, got {self}")
