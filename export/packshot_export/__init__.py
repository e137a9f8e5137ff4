"""Compile the PyTorch networks into Triton model versions. Needs the extra ``export``."""

try:
    import onnx as _onnx  # noqa: F401
    import onnxruntime as _onnxruntime  # noqa: F401
    import openvino as _openvino  # noqa: F401
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"packshot_export needs {error.name}: pip install 'packshot[export]'"
    ) from error
