"""Running a TensorRT plan, to prove it on the GPU it was built on."""

from __future__ import annotations

import numpy as np
import torch

from packshot_export.engine import tensorrt_module
from packshot_export.errors import TargetError
from packshot_export.networks import Arrays


class EngineRuntime:
    """A plan on the first GPU; PyTorch lends it memory and a stream.

    Raises:
        TargetError: PyTorch has no CUDA here, or TensorRT cannot read the plan.
    """

    name = "TensorRT"

    def __init__(self, plan: bytes) -> None:
        if not torch.cuda.is_available():
            raise TargetError(
                "proving a plan needs PyTorch with CUDA, this one has none: install the CUDA build"
                " of torch, or build in the export image of docker/"
            )
        trt = tensorrt_module("tensorrt")
        self._trt = trt
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise TargetError("TensorRT cannot read the plan")
        self._context = self._engine.create_execution_context()

    def run(self, inputs: Arrays) -> Arrays:
        """See ``Runtime``."""
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        held, outputs = [], {}
        for name, array in inputs.items():
            held.append(torch.from_numpy(np.ascontiguousarray(array)).cuda())
            self._context.set_input_shape(name, tuple(array.shape))
            self._context.set_tensor_address(name, held[-1].data_ptr())
        for name in names:
            if name not in inputs:
                dtype = self._trt.nptype(self._engine.get_tensor_dtype(name))
                shape = tuple(self._context.get_tensor_shape(name))
                outputs[name] = torch.from_numpy(np.empty(shape, dtype)).cuda()
                self._context.set_tensor_address(name, outputs[name].data_ptr())
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        if not self._context.execute_async_v3(stream.cuda_stream):
            raise TargetError("TensorRT could not run the plan")
        stream.synchronize()
        return {name: tensor.cpu().numpy() for name, tensor in outputs.items()}
