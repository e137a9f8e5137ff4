"""PyTorch weights to a served model version: load, graph, compile, prove, write."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
import openvino

from packshot_export.graph import OPSET, onnx_graph
from packshot_export.networks import ExportableNetwork
from packshot_export.parity import OutputParity, check_parity
from packshot_export.runtimes import OnnxRuntime, OpenVinoRuntime, TorchRuntime
from packshot_export.version import next_version, sha256_of, staged_version, write_manifest

Report = Callable[[str], None]
"""Called with the name of each stage as it starts."""

STAGES = ("load weights", "export graph", "prove graph", "compile", "prove compiled model", "write")


def build_openvino(
    network: ExportableNetwork,
    *,
    repository: Path,
    weights: Path | None = None,
    version: int | None = None,
    replace: bool = False,
    report: Report = lambda _: None,
) -> Path:
    """Build ``<repository>/<model>/<version>/`` for CPU serving by OpenVINO.

    Nothing is written unless ONNX Runtime and OpenVINO both answer as PyTorch does.

    Args:
        network: What to export.
        repository: The Triton model repository.
        weights: Safetensors file; the network's own place by default.
        version: Version to create; by default one more than the highest.
        replace: See ``staged_version``.
        report: Told each stage of ``STAGES`` as it starts.

    Returns:
        The version folder.

    Raises:
        packshot.errors.WeightsError: The weights do not fit the network.
        ParityError: A runtime does not answer as PyTorch does.
        VersionExistsError: The version is there and ``replace`` is false.
    """
    weights = weights or network.weights
    model = repository / network.spec.name
    version = version or next_version(model)
    report("load weights")
    module = network.load(weights)
    with staged_version(model, version, replace=replace) as staging:
        report("export graph")
        graph = onnx_graph(network, module)
        report("prove graph")
        reference = TorchRuntime(module, network.spec)
        parity = check_parity(network, reference, OnnxRuntime(graph))
        report("compile")
        onnx.save(graph, staging / "model.onnx")
        compiled = openvino.convert_model(staging / "model.onnx")
        # FP32 is what the graph says; the default would round the weights to FP16.
        openvino.save_model(compiled, staging / "model.xml", compress_to_fp16=False)
        report("prove compiled model")
        parity += check_parity(network, reference, OpenVinoRuntime(staging / "model.xml"))
        report("write")
        (staging / "model.py").write_text(_served_module(network))
        write_manifest(staging, _facts(network, weights, version, parity))
    return model / str(version)


def _served_module(network: ExportableNetwork) -> str:
    return (
        f'"""Serves {network.spec.name}; written by packshot-export."""\n\n'
        f"from {network.stage_module} import TritonPythonModel\n\n"
        '__all__ = ["TritonPythonModel"]\n'
    )


def _facts(
    network: ExportableNetwork, weights: Path, version: int, parity: list[OutputParity]
) -> dict[str, Any]:
    tools = ("torch", "onnx", "onnxscript", "onnxruntime", "openvino", "packshot")
    return {
        "model": network.spec.name,
        "version": version,
        "target": "openvino",
        "precision": "fp32",
        "built_at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "git_commit": _git_commit(),
        "weights": {"file": weights.name, "sha256": sha256_of(weights)},
        "signature": asdict(network.spec),
        "opset": OPSET,
        "parity": [result.to_json() for result in parity],
        "tools": {tool: importlib.metadata.version(tool) for tool in tools},
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _git_commit() -> str | None:
    """Commit of the working tree the export ran in; ``None`` outside one."""
    try:
        result = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()
