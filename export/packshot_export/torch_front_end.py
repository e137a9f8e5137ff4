"""Torch-TensorRT as another way to a plan: ExportedProgram → serialized engine. Thin on purpose.

Needs the extra ``torch-tensorrt`` and an NVIDIA GPU: the package imports TensorRT's full libraries
at once, which are on NVIDIA's index only, and compiles on the GPU. Without a GPU nothing beyond the
message that says so can be exercised, and no test runs more of this file.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import nn

from packshot_export.engine import GIBIBYTE, Engine, EngineOptions, gpu_facts
from packshot_export.errors import TargetError
from packshot_export.graph import dynamic_shapes, example_tensors, quiet_exporter
from packshot_export.networks import ExportableNetwork


def build_engine_from_module(
    network: ExportableNetwork, module: nn.Module, options: EngineOptions
) -> Engine:
    """A plan straight from PyTorch, without ONNX between.

    Args:
        network: Its contract and ``sizes`` give the optimization profile.
        module: In the precision to compile, evaluation mode.
        options: Those that Torch-TensorRT has: workspace, optimization level, compatibility.

    Raises:
        TargetError: No GPU or no ``torch_tensorrt``.
    """
    gpu = gpu_facts()
    torch_tensorrt = _library()
    with quiet_exporter():
        program = torch.export.export(
            module.cuda(),
            tuple(tensor.cuda() for tensor in example_tensors(network)),
            dynamic_shapes=dynamic_shapes(network),
        )
    inputs = []
    for tensor in network.spec.inputs:
        least, best, largest = network.profile(tensor.name)
        inputs.append(
            torch_tensorrt.Input(
                min_shape=least,
                opt_shape=best,
                max_shape=largest,
                dtype=torch.uint8 if tensor.dtype == "UINT8" else torch.float32,
                name=tensor.name,
            )
        )
    plan = torch_tensorrt.dynamo.convert_exported_program_to_serialized_trt_engine(
        program,
        arg_inputs=inputs,
        use_explicit_typing=True,
        workspace_size=int(options.workspace_gib * GIBIBYTE),
        optimization_level=options.optimization_level,
        hardware_compatible=options.hardware_compatible,
        version_compatible=options.version_compatible,
    )
    built_with = {"package": "torch_tensorrt", "version": torch_tensorrt.__version__, **gpu}
    return Engine(plan=bytes(plan), inspector="", built_with=built_with)


def _library() -> Any:
    try:
        return importlib.import_module("torch_tensorrt")
    except (ImportError, OSError) as error:
        raise TargetError(
            f"torch_tensorrt cannot be imported ({error}): pip install 'packshot[torch-tensorrt]'"
            " --extra-index-url https://pypi.nvidia.com on a machine with an NVIDIA GPU"
        ) from error
