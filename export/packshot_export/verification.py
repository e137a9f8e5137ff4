"""Is a version on disk what was built, does it fit this machine, and does it answer right?"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from packshot_export.engine import gpu_facts, tensorrt_module
from packshot_export.errors import TargetError, VerificationError
from packshot_export.golden import Golden
from packshot_export.graph import graph_hash
from packshot_export.manifest import check_files
from packshot_export.networks import network_of_model
from packshot_export.recipe import signature_of
from packshot_export.runtimes import OpenVinoRuntime


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was checked of a version.

    Attributes:
        manifest: Its manifest.
        checks: What held, in words.
        notes: What could not be checked here, in words.
    """

    manifest: dict[str, Any]
    checks: tuple[str, ...]
    notes: tuple[str, ...]


def verify(folder: Path, *, public_key: Path | None = None, answers: bool = True) -> Verified:
    """Check files, signature, graph, contract, environment and golden answers.

    Args:
        folder: A version.
        public_key: Require a signature.
        answers: Run the golden inputs too.

    Raises:
        VerificationError: The version was tampered with, or does not fit this machine.
        ParityError: It does not give its golden answers here.
    """
    manifest = check_files(folder, public_key)
    checks = [f"{len(manifest['files'])} files as built"]
    notes = []
    if public_key is not None:
        checks.append(f"signed by the owner of {public_key.name}")
    elif (folder / "manifest.json.sig").exists():
        notes.append("it is signed, but no --public-key was given to check that with")
    network = network_of_model(str(manifest["model"]))
    _check_contract(folder, manifest)
    checks.append("keeps to the contract of today")
    if graph_hash(onnx.load(folder / "model.onnx")) != manifest["graph_sha256"]:
        raise VerificationError(f"{folder / 'model.onnx'} is another graph than the manifest says")
    checks.append("graph as recorded")
    if manifest["target"] == "openvino":
        built, here = manifest["tools"]["openvino"], importlib.metadata.version("openvino")
        if built.split(".")[0] != here.split(".")[0]:
            notes.append(f"built with OpenVINO {built}, here is {here}")
        if answers:
            golden = Golden.read(folder)
            runtime = OpenVinoRuntime(folder / "model.xml")
            golden.check("OpenVINO here", runtime.run(golden.inputs), network)
            checks.append("gives its golden answers in OpenVINO here")
    elif manifest["target"] == "tensorrt":
        checks.append(_check_plan(folder, manifest))
    else:
        notes.append("TensorRT-RTX engines are not served by Triton: not run")
    return Verified(manifest=manifest, checks=tuple(checks), notes=tuple(notes))


def _check_contract(folder: Path, manifest: dict[str, Any]) -> None:
    network = network_of_model(str(manifest["model"]))
    if manifest["signature"] != signature_of(network.spec):
        raise VerificationError(
            f"{folder} was built for another contract of {network.spec.name}: build it anew"
        )


def _check_plan(folder: Path, manifest: dict[str, Any]) -> str:
    """Plans fit one GPU architecture, one TensorRT release, one operating system."""
    built: dict[str, str] = manifest["built_with"]
    try:
        here = gpu_facts()
        version = tensorrt_module("tensorrt").__version__
    except TargetError as error:
        raise VerificationError(
            f"{folder} is a plan for {built.get('gpu')} and TensorRT {built.get('version')}, which"
            f" cannot be checked on this machine: {error}"
        ) from error
    problems = []
    portable = bool(manifest["recipe"].get("hardware_compatible"))
    if here["compute_capability"] != built["compute_capability"] and not portable:
        problems.append(
            f"built for compute capability {built['compute_capability']} ({built['gpu']}), here is"
            f" {here['compute_capability']} ({here['gpu']})"
        )
    if version != built["version"] and not manifest["recipe"].get("version_compatible"):
        problems.append(f"built with TensorRT {built['version']}, here is {version}")
    if problems:
        raise VerificationError(f"{folder} does not fit: {'; '.join(problems)}. Build it here")
    return f"fits {here['gpu']} and TensorRT {version}"
