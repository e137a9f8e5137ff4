"""Precisions of one network side by side: in one process, in turn, in ratios.

Absolute times depend on what else the machine does; each round runs every contender once, so that
the ratios do not.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import onnx
import torch

from packshot_export.errors import ParityError
from packshot_export.gpu_runtimes import gpu_runtimes
from packshot_export.graph import graph_in
from packshot_export.networks import ExportableNetwork
from packshot_export.parity import ParityGate
from packshot_export.pictures import LabelledPictures, PictureSet, halves
from packshot_export.precision import Precision
from packshot_export.runtimes import (
    OnnxRuntime,
    OpenVinoRuntime,
    Runtime,
    TorchRuntime,
    run_in_batches,
)
from packshot_export.task_metric import rank_correlation

BATCHES = (1, 8)


@dataclass(frozen=True, kw_only=True)
class BenchRow:
    """One contender at one batch size.

    Attributes:
        contender: Runtime and precision.
        batch: Pictures in one call.
        median_ms: Of one call.
        ratio: How many times as fast as OpenVINO in FP32.
    """

    contender: str
    batch: int
    median_ms: float
    ratio: float


@dataclass(frozen=True, kw_only=True)
class BenchReport:
    """Speed and cost in accuracy of each precision, and what to serve.

    Attributes:
        rows: Speeds.
        srcc: SRCC of OpenVINO's scores with PyTorch's, by precision.
        srcc_people: SRCC with people's scores, by contender, where labels were given.
        within_budget: Whether each precision passes its parity gate.
        winner: The quickest precision at batch 1, as served, of those within their budget.
    """

    rows: tuple[BenchRow, ...]
    srcc: dict[str, float]
    srcc_people: dict[str, float]
    within_budget: dict[str, bool]
    winner: str

    def to_json(self) -> dict[str, object]:
        """For ``--json``."""
        return asdict(self)


def bench(
    network: ExportableNetwork,
    weights: Path,
    pictures: PictureSet,
    *,
    labelled: LabelledPictures | None = None,
    rounds: int = 15,
    report: Callable[[str], None] = lambda _: None,
) -> BenchReport:
    """Compare PyTorch, ONNX Runtime and OpenVINO, and the GPU runtimes there are.

    Args:
        network: What to run.
        weights: Safetensors file.
        pictures: Half calibrate INT8, half measure its cost.
        labelled: Pictures with people's scores.
        rounds: How often each contender runs.
        report: Told each stage as it starts.
    """
    report("export graphs")
    module = network.load(weights)
    calibration, held_out = halves(pictures.pictures)
    precisions = (Precision.FP32, Precision.INT8)
    graphs = {p: graph_in(p, network, module, calibration) for p in precisions}
    reference = TorchRuntime(module, network.spec)
    with tempfile.TemporaryDirectory(prefix="packshot-bench-") as folder:
        paths = {p: Path(folder) / f"{p.value}.onnx" for p in precisions}
        for precision, path in paths.items():
            onnx.save(graphs[precision], path)
        on_gpu = gpu_runtimes(network, module, graphs, calibration)
        rows = []
        for batch in BATCHES:
            report(f"batch {batch}")
            rows += _timed(network, reference, on_gpu, graphs, paths, batch, rounds)
        report("accuracy")
        accuracy: dict[str, float] = {}
        people: dict[str, float] = {}
        passed: dict[str, bool] = {}
        output = network.metric.output
        inputs = network.inputs_of(held_out)
        expected = run_in_batches(reference, inputs)[output]
        if labelled is not None:
            labelled_inputs = network.inputs_of(labelled.pictures)
            told = run_in_batches(reference, labelled_inputs)[output]
            people["PyTorch fp32"] = rank_correlation(told, labelled.scores)
        for precision, path in paths.items():
            runtime = OpenVinoRuntime(path)
            got = run_in_batches(runtime, inputs)[output]
            accuracy[precision.value] = rank_correlation(got, expected)
            if labelled is not None:
                told = run_in_batches(runtime, labelled_inputs)[output]
                people[f"OpenVINO {precision.value}"] = rank_correlation(told, labelled.scores)
            gate = ParityGate(
                network, reference, precision=precision, pictures=held_out, labelled=labelled
            )
            try:
                gate.check(runtime)
                passed[precision.value] = True
            except ParityError:
                passed[precision.value] = False
    speeds = {row.contender: row.ratio for row in rows if row.batch == 1}
    winner = max(
        (p.value for p in precisions if passed[p.value]),
        key=lambda name: speeds[f"OpenVINO {name}"],
        default=Precision.FP32.value,
    )
    return BenchReport(
        rows=tuple(rows),
        srcc=accuracy,
        srcc_people=people,
        within_budget=passed,
        winner=winner,
    )


def _timed(
    network: ExportableNetwork,
    reference: Runtime,
    on_gpu: dict[str, Runtime],
    graphs: dict[Precision, onnx.ModelProto],
    paths: dict[Precision, Path],
    batch: int,
    rounds: int,
) -> list[BenchRow]:
    inputs = network.example_inputs(batch, 7)
    shapes = {name: list(array.shape) for name, array in inputs.items()}
    contenders: dict[str, Runtime] = {
        "PyTorch fp32": reference,
        "ONNX Runtime fp32": OnnxRuntime(graphs[Precision.FP32]),
        "ONNX Runtime int8": OnnxRuntime(graphs[Precision.INT8]),
        **{f"OpenVINO {p.value}": OpenVinoRuntime(path, shapes) for p, path in paths.items()},
        **on_gpu,
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    with torch.inference_mode():
        for turn in range(rounds + 2):
            for name, runtime in contenders.items():
                started = time.perf_counter()
                runtime.run(inputs)
                if turn >= 2:  # The first two warm up.
                    times[name].append((time.perf_counter() - started) * 1000)
    base = median(times["OpenVINO fp32"])
    return [
        BenchRow(contender=name, batch=batch, median_ms=median(found), ratio=base / median(found))
        for name, found in times.items()
    ]
