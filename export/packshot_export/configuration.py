"""``config.pbtxt`` read as protobuf, and changed as text, so that its comments stay."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from packshot.errors import ModelRepositoryError
from packshot.serving.repository import config_path, read_config
from packshot_export.errors import ConfigurationError
from packshot_export.version import write_atomically

CANARY_SUFFIX = "_canary"

_POLICY = re.compile(r"^version_policy:.*$", re.MULTILINE)
_BATCH = re.compile(r"^max_batch_size:.*$", re.MULTILINE)


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


def ensembles_of(repository: Path, model: str) -> list[Path]:
    """Folders of the ensembles that have a model as a step."""
    return [
        path.parent
        for path in sorted(repository.glob("*/config.pbtxt"))
        if any(step.model_name == model for step in _read(path).ensemble_scheduling.step)
    ]


def pinned_version(ensemble: Path, model: str) -> int:
    """The version of a model that an ensemble calls; -1 is the highest served."""
    steps = _read(config_path(ensemble)).ensemble_scheduling.step
    versions = {int(step.model_version) for step in steps if step.model_name == model}
    if len(versions) != 1:
        raise ConfigurationError(
            f"{config_path(ensemble)} calls {model} in the versions {sorted(versions)};"
            " expected one"
        )
    return versions.pop()


def pin(ensemble: Path, model: str, version: int) -> bool:
    """Make an ensemble call one version of a model, as a new version of itself.

    A new version, since the response cache would go on giving the answers of the old.

    Returns:
        Whether it called another one before.

    Raises:
        ConfigurationError: The step is not written as expected, or cannot be.
    """
    if pinned_version(ensemble, model) == version:
        return False
    revision = max((int(p.name) for p in ensemble.iterdir() if p.name.isdecimal()), default=0) + 1
    path = config_path(ensemble)
    step = re.compile(rf'(model_name:\s*"{re.escape(model)}"\s+model_version:\s*)-?\d+')
    changed = step.sub(rf"\g<1>{version}", path.read_text())
    (ensemble / str(revision)).mkdir()
    line = f"version_policy: {{ specific: {{ versions: [ {revision} ] }} }}"
    if _POLICY.search(changed):
        changed = _POLICY.sub(line, changed, count=1)
    else:
        changed = _BATCH.sub(lambda found: f"{found.group()}\n{line}", changed, count=1)
    _write(
        path,
        changed,
        lambda config: all(
            item.model_version == version
            for item in config.ensemble_scheduling.step
            if item.model_name == model
        ),
    )
    return True


def make_canary(ensemble: Path) -> Path:
    """A copy of an ensemble under the name that callers of the canary use, if there is none."""
    canary = ensemble.with_name(f"{ensemble.name}{CANARY_SUFFIX}")
    if (canary / "config.pbtxt").exists():
        return canary
    text = (ensemble / "config.pbtxt").read_text()
    name = re.compile(rf'^name:\s*"{re.escape(ensemble.name)}"', re.MULTILINE)
    note = (
        f"# Made by packshot-export publish --canary from {ensemble.name}/config.pbtxt:\n"
        "# what callers of the canary call. Outside a canary's time it calls the stable version.\n"
    )
    revision = _read(ensemble / "config.pbtxt").version_policy.specific.versions or [1]
    for version in revision:
        (canary / str(version)).mkdir(parents=True, exist_ok=True)
    _write(
        canary / "config.pbtxt",
        note + name.sub(f'name: "{canary.name}"', text, count=1),
        lambda config: config.name == canary.name,
    )
    return canary


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
