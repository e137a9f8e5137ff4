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

_BATCH = 8


class Runtime(Protocol):
    """Something that runs one network."""

    name: str

    def run(self, inputs: Arrays) -> Arrays:
        """Outputs by name, for inputs by name with the batch first."""
        ...


class TorchRuntime:
    """The PyTorch module itself: the reference.

    Args:
        module: Moved to the device.
        spec: Its contract.
        device: ``cpu`` or ``cuda``.
    """

    name = "PyTorch"

    def __init__(self, module: nn.Module, spec: ModelSpec, *, device: str = "cpu") -> None:
        # The same sums in another memory order, several times as fast on a CPU.
        self._module = module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._spec = spec
        self._device = device

    def run(self, inputs: Arrays) -> Arrays:
        """See ``Runtime``."""
        tensors = [
            torch.from_numpy(inputs[tensor.name]).to(self._device) for tensor in self._spec.inputs
        ]
        with torch.inference_mode():
            outputs = self._module(*tensors)
        if isinstance(outputs, torch.Tensor):
            outputs = (outputs,)
        return {
            tensor.name: output.cpu().numpy()
            for tensor, output in zip(self._spec.outputs, outputs, strict=True)
        }


class OnnxRuntime:
    """ONNX Runtime.

    Args:
        graph: Of any precision.
        provider: Where it computes.
        emulate_int8: Compute what Q/DQ nodes say in float instead of with INT8 instructions, which
            saturate on CPUs without VNNI: what the graph means, not what this CPU makes of it.
    """

    name = "ONNX Runtime"

    def __init__(
        self,
        graph: onnx.ModelProto,
        *,
        provider: str = "CPUExecutionProvider",
        emulate_int8: bool = False,
    ) -> None:
        options = onnxruntime.SessionOptions()
        if emulate_int8:
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=[provider]
        )

    def run(self, inputs: Arrays) -> Arrays:
        """See ``Runtime``."""
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, inputs), strict=True))


class OpenVinoRuntime:
    """OpenVINO on the CPU, from the files that will be served.

    Args:
        model_xml: OpenVINO's or an ONNX file.
        shapes: Fixes the shapes of the inputs, as serving does; free by default.
    """

    name = "OpenVINO"

    def __init__(self, model_xml: Path, shapes: dict[str, list[int]] | None = None) -> None:
        model = openvino.Core().read_model(model_xml)
        if shapes is not None:
            model.reshape(shapes)
        # FP32 unless the graph says otherwise: on CPUs with BF16 the plugin would round by itself.
        self._model = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(self, inputs: Arrays) -> Arrays:
        """See ``Runtime``."""
        results = self._model(inputs)
        return {output.any_name: np.array(results[output]) for output in self._model.outputs}


def run_in_batches(runtime: Runtime, inputs: Arrays, batch: int = _BATCH) -> Arrays:
    """Outputs for any number of inputs, ``batch`` at a time."""
    count = len(next(iter(inputs.values())))
    parts = [
        runtime.run({name: array[start : start + batch] for name, array in inputs.items()})
        for start in range(0, count, batch)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
