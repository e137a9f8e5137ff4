"""``config.pbtxt`` read as protobuf, and changed as text, so that its comments stay."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from packshot.errors import ModelRepositoryError
from packshot.serving.called_models import (
    CALLS_PARAMETER,
    CANARY_SUFFIX,
    NETWORKS_PARAMETER,
    calls_text,
    read_calls,
)
from packshot.serving.repository import called_versions as repository_calls
from packshot.serving.repository import config_path, read_config
from packshot.serving.repository import served_versions as repository_versions
from packshot_export.errors import ConfigurationError
from packshot_export.version import write_atomically

_POLICY = re.compile(r"^version_policy:.*$", re.MULTILINE)
_BATCH = re.compile(r"^max_batch_size:.*$", re.MULTILINE)
_PINS = {
    name: re.compile(rf'(key:\s*"{name}"\s+value\s*\{{\s*string_value:\s*")[^"]*(")')
    for name in (CALLS_PARAMETER, NETWORKS_PARAMETER)
}
"""Parameters of a Python model that name models in their versions."""
_BYTECODE = shutil.ignore_patterns("__pycache__")


def variant_of(target: str) -> str | None:
    """Name of the configuration that serves a target; ``None`` is ``config.pbtxt``."""
    return "tensorrt" if target == "tensorrt" else None


def served_versions(model: Path, variant: str | None) -> tuple[int, ...]:
    """The versions a model's configuration says to serve.

    Raises:
        ConfigurationError: It does not say so by number.
    """
    path = config_path(model, variant)
    versions = tuple(sorted(_read(path).version_policy.specific.versions))
    if not versions:
        raise ConfigurationError(
            f"{path} does not name the versions to serve, so a version that was only built would be"
            " served after a restart. Add: version_policy: { specific: { versions: [ 1 ] } }"
        )
    return versions


def set_served_versions(model: Path, variant: str | None, versions: tuple[int, ...]) -> None:
    """Write which versions to serve, in one step.

    Raises:
        ConfigurationError: The line is not where it is expected, or cannot be written.
    """
    path = config_path(model, variant)
    text = path.read_text()
    line = f"version_policy: {{ specific: {{ versions: [ {', '.join(map(str, versions))} ] }} }}"
    if _POLICY.search(text):
        changed = _POLICY.sub(line, text, count=1)
    else:
        changed = _BATCH.sub(lambda found: f"{found.group()}\n{line}", text, count=1)
    _write(path, changed, lambda config: tuple(config.version_policy.specific.versions) == versions)


def called_versions(config: Any) -> dict[str, int]:
    """The models that an ensemble or a Python model calls, and the networks it computes with.

    -1 is the highest version served.

    Raises:
        ConfigurationError: An ensemble calls one model in two versions, or a Python model's
            ``calls`` or ``networks`` is malformed.
    """
    calls: dict[str, int] = {}
    for step in config.ensemble_scheduling.step:
        if calls.setdefault(step.model_name, int(step.model_version)) != step.model_version:
            raise ConfigurationError(
                f"{config.name} calls {step.model_name} in two versions; expected one"
            )
    try:
        return repository_calls(config)
    except ModelRepositoryError as error:
        raise ConfigurationError(str(error)) from error


def callers_of(repository: Path, model: str, variant: str | None) -> list[Path]:
    """Folders of the ensembles and of the Python models that call a model, as one variant has it.

    Those that compute with a network are among its callers.
    """
    folders = [path.parent for path in sorted(repository.glob("*/config.pbtxt"))]
    return [
        folder
        for folder in folders
        if model in called_versions(_read(config_path(folder, variant)))
    ]


def pinned_version(caller: Path, model: str, variant: str | None = None) -> int:
    """The version of a model that one of its callers calls; -1 is the highest served.

    Raises:
        ConfigurationError: It does not call it.
    """
    path = config_path(caller, variant)
    calls = called_versions(_read(path))
    if model not in calls:
        raise ConfigurationError(f"{path} does not call {model}")
    return calls[model]


def pin(caller: Path, model: str, version: int, variant: str | None = None) -> bool:
    """Make a caller call one version of a model, as a new version of itself.

    A new version, since the response cache would go on giving the answers of the old.

    Args:
        caller: Its folder.
        model: The model that it calls, or computes with.
        version: Of that model.
        variant: The configuration that the server reads; another may call another version, as
            a plan for one GPU is nothing that a CPU can serve.

    Returns:
        Whether it called another one before.

    Raises:
        ConfigurationError: The call is not written as expected, or cannot be.
    """
    if pinned_version(caller, model, variant) == version:
        return False
    path = config_path(caller, variant)
    config = _read(path)
    calls = called_versions(config) | {model: version}
    changed = _repinned(path.read_text(), config, model, version)
    revision = _add_revision(caller, variant)
    line = f"version_policy: {{ specific: {{ versions: [ {revision} ] }} }}"
    if _POLICY.search(changed):
        changed = _POLICY.sub(line, changed, count=1)
    else:
        changed = _BATCH.sub(lambda found: f"{found.group()}\n{line}", changed, count=1)
    _write(path, changed, lambda config: called_versions(config) == calls)
    return True


def _repinned(text: str, config: Any, model: str, version: int) -> str:
    for parameter, written in _PINS.items():
        pinned = read_calls(config.parameters[parameter].string_value)
        if model in pinned:
            text = written.sub(rf"\g<1>{calls_text(pinned | {model: version})}\g<2>", text)
    step = re.compile(rf'(model_name:\s*"{re.escape(model)}"\s+model_version:\s*)-?\d+')
    return step.sub(rf"\g<1>{version}", text)


def make_canary(caller: Path) -> Path:
    """A copy of a caller under the name that callers of the canary use, if there is none."""
    canary = caller.with_name(f"{caller.name}{CANARY_SUFFIX}")
    if (canary / "config.pbtxt").exists():
        return canary
    name = re.compile(rf'^name:\s*"{re.escape(caller.name)}"', re.MULTILINE)
    # That of the CPU comes last: where it is, the copy is whole.
    for path in reversed(configurations(caller)):
        written = path.relative_to(caller)
        note = (
            f"# Made by packshot-export publish --canary from {caller.name}/{written}: what\n"
            "# callers of the canary call. Outside a canary's time it calls the stable version.\n"
        )
        for version in repository_versions(caller, _read(path)):
            shutil.copytree(version, canary / version.name, ignore=_BYTECODE, dirs_exist_ok=True)
        (canary / written).parent.mkdir(exist_ok=True)
        _write(
            canary / written,
            note + name.sub(f'name: "{canary.name}"', path.read_text(), count=1),
            lambda config: config.name == canary.name,
        )
    return canary


def configurations(model: Path) -> list[Path]:
    """All configurations of a model, that for the CPU first."""
    return [config_path(model), *sorted(model.glob("configs/*.pbtxt"))]


def _add_revision(caller: Path, variant: str | None) -> int:
    """A copy of what a caller serves, under the next number."""
    revision = max((int(p.name) for p in caller.iterdir() if p.name.isdecimal()), default=0) + 1
    staged = caller / f".staging-{revision}"
    shutil.rmtree(staged, ignore_errors=True)
    try:
        # An ensemble's are empty, a Python model's hold its code.
        shutil.copytree(_served_folders(caller, variant)[-1], staged, ignore=_BYTECODE)
        staged.rename(caller / str(revision))
    except OSError as error:
        raise ConfigurationError(f"cannot write in {caller}: {error.strerror or error}") from error
    return revision


def _served_folders(caller: Path, variant: str | None) -> list[Path]:
    folders = repository_versions(caller, _read(config_path(caller, variant)))
    if not folders:
        raise ConfigurationError(f"{caller} has no version folder")
    return folders


def as_override(model: Path, variant: str | None, *, name: str, version: int) -> dict[str, Any]:
    """A whole configuration for Triton's load request: under another name, with one version."""
    config = _read(config_path(model, variant))
    config.name = name
    config.ClearField("version_policy")
    config.version_policy.specific.versions.append(version)
    return dict(json_format.MessageToDict(config, preserving_proto_field_name=True))


def _read(path: Path) -> Any:
    try:
        return read_config(path)
    except ModelRepositoryError as error:
        raise ConfigurationError(str(error)) from error


def _write(path: Path, text: str, took: Any) -> None:
    old = path.read_bytes() if path.exists() else b""
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror or error}") from error
    if not took(_read(path)):
        write_atomically(path, old)
        raise ConfigurationError(
            f"{path} is not written in the form that packshot-export changes; see the committed"
            " config.pbtxt files for it"
        )
