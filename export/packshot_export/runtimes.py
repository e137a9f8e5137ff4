"""The same inputs through PyTorch, ONNX Runtime and OpenVINO, as name → array."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
import onnxruntime
import openvino
import torch
from torch import nn

from packshot.contracts import ModelSpec
from packshot_export.networks import Arrays


class Runtime(Protocol):
    """Something that runs one network."""

    name: str

    def run(self, inputs: Arrays) -> Arrays:
        """Outputs by name, for inputs by name with the batch first."""
        ...


class TorchRuntime:
    """The PyTorch module itself: the reference."""

    name = "PyTorch"

    def __init__(self, module: nn.Module, spec: ModelSpec) -> None:
        self._module = module
        self._spec = spec

    def run(self, inputs: Arrays) -> Arrays:
        """See ``Runtime``."""
        tensors = [torch.from_numpy(inputs[tensor.name]) for tensor in self._spec.inputs]
        with torch.inference_mode():
            outputs = self._module(*tensors)
        return {
            tensor.name: output.numpy()
            for tensor, output in zip(self._spec.outputs, outputs, strict=True)
        }


class OnnxRuntime:
    """ONNX Runtime on the CPU."""

    name = "ONNX Runtime"

    def __init__(self, graph: onnx.ModelProto) -> None:
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), providers=["CPUExecutionProvider"]
        )

    def run(self, inputs: Arrays) -> Arrays:
        """See ``Runtime``."""
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, inputs), strict=True))


class OpenVinoRuntime:
    """OpenVINO on the CPU, from the files that will be served."""

    name = "OpenVINO"

    def __init__(self, model_xml: Path) -> None:
        # FP32 unless the graph says otherwise: on CPUs with BF16 the plugin would round by itself.
        self._model = openvino.compile_model(model_xml, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(self, inputs: Arrays) -> Arrays:
        """See ``Runtime``."""
        results = self._model(inputs)
        return {output.any_name: np.array(results[output]) for output in self._model.outputs}
