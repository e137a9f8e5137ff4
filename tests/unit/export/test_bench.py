"""The comparison of precisions, of a small network."""

import torch

from packshot_export.bench import BATCHES, bench
from packshot_export.networks import ExportableNetwork
from packshot_export.pictures import generated_pictures


def test_every_contender_of_this_machine_is_compared(small: ExportableNetwork) -> None:
    report = bench(small, small.weights, generated_pictures(16, 3), rounds=3)
    on_gpu = {row.contender for row in report.rows if "CUDA" in row.contender}
    assert bool(on_gpu) == torch.cuda.is_available()
    for batch in BATCHES:
        ratios = {row.contender: row.ratio for row in report.rows if row.batch == batch}
        assert ratios["OpenVINO fp32"] == 1.0
        assert {"PyTorch fp32", "ONNX Runtime int8", "OpenVINO int8"} < ratios.keys()
    assert report.srcc["fp32"] > 0.99
    assert report.within_budget["fp32"]
    assert report.winner in {"fp32", "int8"}
