"""What rounding the weights shifts on average goes back into the biases.

Analytic bias correction (Nagel et al., Data-Free Quantization Through Weight Equalization and Bias
Correction, arXiv 1906.04721, section 4.2): a convolution with rounded weights is off by the
rounding error times its input, on average by the error times the input's mean.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from packshot_export.calibration import Calibration


def correct_biases(
    quantized: onnx.ModelProto, fp32: onnx.ModelProto, calibration: Calibration
) -> int:
    """Correct, in place, the bias of each convolution of a Q/DQ graph.

    Args:
        quantized: Made from ``fp32``, with the same node names and float biases.
        fp32: The graph before.
        calibration: Has the means of the activations.

    Returns:
        How many biases were corrected.
    """
    constants = {item.name: item for item in quantized.graph.initializer}
    originals = {item.name: item for item in fp32.graph.initializer}
    source = {node.name: node for node in fp32.graph.node}
    producers = {output: node for node in quantized.graph.node for output in node.output}
    chosen = [
        node
        for node in quantized.graph.node
        if node.op_type == "Conv"
        and len(node.input) > 2
        and node.input[2] in constants
        and getattr(producers.get(node.input[1]), "op_type", "") == "DequantizeLinear"
    ]
    for node in chosen:
        name = source[node.name].input[1]
        weight = numpy_helper.to_array(originals[name]).astype(np.float64)
        stored, scale = (
            numpy_helper.to_array(constants[constant]).astype(np.float64)
            for constant in producers[node.input[1]].input[:2]
        )
        error = stored * scale.reshape(-1, *[1] * (weight.ndim - 1)) - weight
        groups = next((a.i for a in node.attribute if a.name == "group"), 1)
        mean = np.array(calibration.layers[name].means).reshape(groups, -1)
        per_group = error.sum(axis=(2, 3)).reshape(groups, -1, mean.shape[1])
        shift = np.einsum("goc,gc->go", per_group, mean).ravel()
        bias = constants[node.input[2]]
        corrected = (numpy_helper.to_array(bias) - shift).astype(np.float32)
        bias.CopyFrom(numpy_helper.from_array(corrected, bias.name))
    return len(chosen)
