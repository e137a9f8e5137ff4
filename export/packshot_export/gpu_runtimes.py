"""The runtimes for NVIDIA GPUs that this machine has, for ``packshot-export bench``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy

import onnx
import onnxruntime
import torch
from torch import nn

from packshot_export.engine import build_engine
from packshot_export.engine_runtime import EngineRuntime
from packshot_export.errors import TargetError
from packshot_export.graph import graph_in
from packshot_export.networks import ExportableNetwork
from packshot_export.pictures import Picture
from packshot_export.precision import Precision
from packshot_export.runtimes import OnnxRuntime, Runtime, TorchRuntime

_CUDA_PROVIDER = "CUDAExecutionProvider"


def gpu_runtimes(
    network: ExportableNetwork,
    module: nn.Module,
    graphs: Mapping[Precision, onnx.ModelProto],
    calibration: list[Picture],
) -> dict[str, Runtime]:
    """PyTorch, ONNX Runtime and TensorRT on the first GPU, by name; none without a GPU.

    Not run on a GPU yet. A runtime that is not installed, or that refuses the graph, is left out.

    Args:
        network: Declares shapes and tolerances.
        module: The network, on the CPU; it stays there.
        graphs: Of some precisions; FP16 is added.
        calibration: Pictures, of which FP16 needs none.
    """
    if not torch.cuda.is_available():
        return {}
    found: dict[str, Runtime] = {
        "PyTorch CUDA fp32": TorchRuntime(deepcopy(module), network.spec, device="cuda")
    }
    if _CUDA_PROVIDER in onnxruntime.get_available_providers():
        found["ONNX Runtime CUDA fp32"] = OnnxRuntime(
            graphs[Precision.FP32], provider=_CUDA_PROVIDER
        )
    half = {Precision.FP16: graph_in(Precision.FP16, network, module, calibration)}
    for precision, graph in {**graphs, **half}.items():
        with suppress(TargetError):
            found[f"TensorRT {precision.value}"] = EngineRuntime(build_engine(network, graph).plan)
    return found
