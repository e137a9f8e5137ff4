"""Calibrate INT8 on photos, and prove on others that it costs no more than it may."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from packshot_export.calibration import CalibrationFile
from packshot_export.graph import onnx_graph
from packshot_export.networks import ExportableNetwork
from packshot_export.parity import ParityGate
from packshot_export.pictures import LabelledPictures, PictureSet, halves
from packshot_export.precision import Precision
from packshot_export.quantization import calibrated, quantized_graph
from packshot_export.runtimes import OnnxRuntime, TorchRuntime
from packshot_export.version import sha256_of


def calibrate(
    network: ExportableNetwork,
    weights: Path,
    photos: PictureSet,
    *,
    labelled: LabelledPictures | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> CalibrationFile:
    """A calibration that passed the parity gate of INT8.

    Args:
        network: What to calibrate.
        weights: Safetensors file.
        photos: Every other one calibrates, the rest prove.
        labelled: Photos with people's scores, to prove on as well.
        report: Told each stage as it starts.

    Raises:
        ParityError: INT8 costs more than it may.
        QuantizationError: Nothing in the network is declared to be quantized.
    """
    report("run PyTorch")
    module = network.load(weights)
    calibration_photos, held_out = halves(photos.pictures)
    gate = ParityGate(
        network,
        TorchRuntime(module, network.spec),
        precision=Precision.INT8,
        pictures=held_out,
        labelled=labelled,
    )
    report("calibrate")
    graph = onnx_graph(network, module)
    calibration = calibrated(network, graph, calibration_photos)
    report("prove")
    int8 = OnnxRuntime(quantized_graph(network, graph, calibration), emulate_int8=True)
    return CalibrationFile(
        calibration=calibration,
        weights_sha256=sha256_of(weights),
        pictures=photos.to_json(),
        metrics=[metric.to_json() for metric in gate.check(int8).metrics],
    )
