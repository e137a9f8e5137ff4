"""``config.pbtxt`` against the contracts, the manifests and the files that were built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packshot.contracts import MODELS, ModelSpec, TensorSpec
from packshot.errors import ModelRepositoryError
from packshot.serving.called_models import CANARY_SUFFIX, NEWEST
from packshot.serving.repository import MODEL_FILE_PARAMETER, config_path, read_config
from packshot_export.configuration import (
    called_versions,
    configurations,
    served_versions,
    variant_of,
)
from packshot_export.errors import ExportError
from packshot_export.manifest import read_manifest
from packshot_export.networks import NETWORKS
from packshot_export.version import built_versions


def differences(repository: Path) -> list[str]:
    """Every difference, in words; none if all agree."""
    found: list[str] = []
    networks = {network.spec.name for network in NETWORKS.values()}
    folders = sorted(path.parent for path in repository.glob("*/config.pbtxt"))
    for folder in folders:
        spec = MODELS.get(folder.name.removesuffix(CANARY_SUFFIX))
        spec = spec or next((n.spec for n in NETWORKS.values() if n.spec.name == folder.name), None)
        if spec is None:
            found.append(f"{folder}: there is no contract for a model of this name")
            continue
        for path in configurations(folder):
            found += [
                f"{path}: {problem}" for problem in _against_contract(path, folder.name, spec)
            ]
    for name in sorted(networks & {folder.name for folder in folders}):
        found += list(_against_versions(repository / name))
    for folder in folders:
        for path in configurations(folder):
            found += list(_against_calls(repository, path))
    return found


def _against_contract(path: Path, name: str, spec: ModelSpec) -> Iterator[str]:
    try:
        config = read_config(path)
    except ModelRepositoryError as error:
        yield str(error)
        return
    if config.name != name:
        yield f"name is {config.name!r}, its folder is {name!r}"
    if config.max_batch_size != spec.max_batch_size:
        yield f"max_batch_size is {config.max_batch_size}, the contract says {spec.max_batch_size}"
    for kind, configured, declared in (
        ("input", config.input, spec.inputs),
        ("output", config.output, spec.outputs),
    ):
        have, want = [_configured(t) for t in configured], [_declared(t) for t in declared]
        for tensor in have:
            if tensor not in want:
                yield f"{kind} {_worded(tensor)} is not in the contract"
        for tensor in want:
            if tensor not in have:
                yield f"{kind} {_worded(tensor)} of the contract is missing"


def _against_versions(model: Path) -> Iterator[str]:
    built = built_versions(model)
    for variant, target in ((None, "openvino"), ("tensorrt", "tensorrt")):
        path = config_path(model, variant)
        if variant and path.name == "config.pbtxt":
            continue
        try:
            versions = served_versions(model, variant)
        except ExportError as error:
            yield str(error)
            continue
        for version in versions:
            if version not in built:
                if variant is None:
                    yield f"{path}: serves version {version}, which is not built (built: {built})"
                continue
            try:
                manifest = read_manifest(model / str(version))
            except ExportError as error:
                yield str(error)
                continue
            if variant_of(str(manifest["target"])) != variant and variant is None:
                yield (
                    f"{path}: serves version {version}, built for {manifest['target']},"
                    f" not {target}"
                )
            if variant is None:
                wanted = read_config(path).parameters[MODEL_FILE_PARAMETER].string_value
                if wanted and wanted not in manifest["files"]:
                    yield f"{path}: wants {wanted}, which version {version} does not have"


def _against_calls(repository: Path, path: Path) -> Iterator[str]:
    variant = path.stem if path.parent.name == "configs" else None
    try:
        calls = called_versions(read_config(path))
    except (ExportError, ModelRepositoryError) as error:
        yield str(error)
        return
    for name, version in calls.items():
        called = config_path(repository / name, variant)
        if not called.exists():
            yield f"{path}: calls {name}, which is not there"
        elif version != NEWEST:
            policy = read_config(called).version_policy.specific.versions
            if policy and version not in policy:
                yield f"{path}: calls version {version} of {name}, which serves {list(policy)}"


def _declared(spec: TensorSpec) -> tuple[str, str, tuple[int, ...], bool]:
    return spec.name, _triton_dtype(spec.dtype), spec.shape, spec.optional


def _triton_dtype(dtype: str) -> str:
    return "TYPE_STRING" if dtype == "BYTES" else f"TYPE_{dtype}"


def _configured(tensor: Any) -> tuple[str, str, tuple[int, ...], bool]:
    kinds = type(tensor).DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    optional = bool(getattr(tensor, "optional", False))
    return tensor.name, kinds[tensor.data_type].name, tuple(tensor.dims), optional


def _worded(tensor: tuple[str, str, tuple[int, ...], bool]) -> str:
    name, dtype, shape, optional = tensor
    return f"{name} {dtype} {list(shape)}{' optional' if optional else ''}"
