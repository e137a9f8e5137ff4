"""TensorRT plans against the GPU they are about to run on: a plan fits one architecture only."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from packshot.errors import ModelRepositoryError, ServingError
from packshot.serving.options import ServerConfig
from packshot.serving.repository import config_path, newest_version, read_config

MANIFEST = "manifest.json"
_TIMEOUT_S = 20.0
_REBUILD = (
    "Build it on this machine, with the TensorRT of the serving image: packshot-export build "
    "{network} --target tensorrt (in Kubernetes the init job build-plans does it)."
)


def installed_capabilities() -> list[str] | None:
    """Compute capabilities of this machine's GPUs, ``None`` where nvidia-smi cannot tell."""
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def plan_problems(
    config: ServerConfig,
    capabilities: Callable[[], list[str] | None] = installed_capabilities,
) -> list[ServingError]:
    """Plans built for another GPU than this machine's.

    What a plan was built for is in the manifest beside it. A plan without a manifest is left to
    Triton, which refuses a wrong one itself, in fewer words.
    """
    plans = {
        name: manifest
        for name in config.models_at_start()
        if (manifest := _plan_manifest(config, name)) is not None
    }
    if not plans:
        return []
    present = capabilities()
    problems: list[ServingError] = []
    for name, (path, capability) in plans.items():
        rebuild = _REBUILD.format(network=name.removesuffix("_net"))
        if not present:
            problems.append(
                ServingError(
                    f"{path} is for a GPU, and nvidia-smi finds none here. Serve on the CPU "
                    "(leave out --model-config-name), or give the container a GPU "
                    "(docker run --gpus all)."
                )
            )
        elif capability and capability not in present:
            problems.append(
                ModelRepositoryError(
                    f"{path} was built for compute capability {capability}, but this machine has "
                    f"{', '.join(sorted(set(present)))}. {rebuild}"
                )
            )
    return problems


def _plan_manifest(config: ServerConfig, name: str) -> tuple[Path, str] | None:
    model = config.model_repository / name
    if read_config(config_path(model, config.model_config_name)).platform != "tensorrt_plan":
        return None
    version = newest_version(model)
    if version is None or not (version / MANIFEST).exists():
        return None
    try:
        manifest = json.loads((version / MANIFEST).read_text())
    except ValueError:
        return version, ""
    return version, _capability(manifest)


def _capability(node: Any) -> str:
    """The first ``compute_capability`` anywhere in a manifest; empty if there is none."""
    if not isinstance(node, dict):
        return ""
    found = str(node.get("compute_capability") or "")
    return found or next(filter(None, map(_capability, node.values())), "")
