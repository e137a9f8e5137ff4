"""What ``build`` was asked for, and what of it goes into the manifest."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from packshot.contracts import ModelSpec
from packshot_export.engine import EngineOptions
from packshot_export.networks import ExportableNetwork
from packshot_export.precision import Precision

_TOOLS = ("torch", "onnx", "onnxscript", "onnxruntime", "openvino", "packshot")


class Target(str, Enum):
    """Runtimes a network can be built for."""

    OPENVINO = "openvino"
    TENSORRT = "tensorrt"
    TENSORRT_RTX = "tensorrt-rtx"
    TORCH_TENSORRT = "torch-tensorrt"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a version is to be built.

    Attributes:
        target: What will run it.
        precision: What it computes in.
        weights: Safetensors file; the network's own by default.
        calibration: Folder of pictures; generated ones by default.
        labelled: CSV file with the columns file,mos, to measure the loss of accuracy on.
        pictures: How many pictures are taken: every other one calibrates, the rest measure.
        engine: How TensorRT builds.
        sign_key: PEM file of the private key that signs the manifest.
    """

    target: Target = Target.OPENVINO
    precision: Precision = Precision.FP32
    weights: Path | None = None
    calibration: Path | None = None
    labelled: Path | None = None
    pictures: int = 64
    engine: EngineOptions = field(default_factory=EngineOptions)
    sign_key: Path | None = None

    def __post_init__(self) -> None:
        if self.pictures < 16:
            raise ValueError(f"a build needs 16 pictures or more, got {self.pictures}")


def manifest_facts(
    network: ExportableNetwork, recipe: Recipe, *, version: int, weights_sha256: str, weights: Path
) -> dict[str, Any]:
    """The part of the manifest that is known before anything is compiled."""
    return {
        "model": network.spec.name,
        "version": version,
        "target": "tensorrt" if recipe.target is Target.TORCH_TENSORRT else recipe.target.value,
        "precision": recipe.precision.value,
        "built_at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "git_commit": _git_commit(),
        "weights": {"file": weights.name, "sha256": weights_sha256},
        "signature": signature_of(network.spec),
        "recipe": {
            "front_end": recipe.target.value,
            "float32_islands": list(network.float32_islands),
            "float32_after": list(network.float32_after),
            "quantized": list(network.quantized),
            "sensitive": list(network.sensitive),
            **recipe.engine.to_json(),
        },
        "tools": {tool: importlib.metadata.version(tool) for tool in _TOOLS},
        "machine": f"{platform.system()} {platform.machine()}",
    }


def signature_of(spec: ModelSpec) -> Any:
    """The contract as JSON reads it back."""
    return json.loads(json.dumps(asdict(spec)))


def _git_commit() -> str | None:
    """Commit of the working tree the export ran in; ``None`` outside one."""
    try:
        result = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()
