"""A model repository as Triton reads it: configurations, and the files they ask for."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Final

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from packshot.contracts import (
    DECODE_IMAGE,
    ENHANCEMENT_FAMILY,
    GENERATION_FAMILY,
    QUALITY_VERDICT,
)
from packshot.errors import ContractError, ModelRepositoryError
from packshot.serving.called_models import (
    CALLS_PARAMETER,
    CANARY_SUFFIX,
    NETWORK_FILE,
    NETWORKS_PARAMETER,
    NEWEST,
    read_calls,
)

CONFIG_FILE: Final = "config.pbtxt"
MODEL_FILE_PARAMETER: Final = "model_file"
"""Parameter of our Python-backend models that names the compiled network they load."""


def config_path(model: Path, config_name: str | None = None) -> Path:
    """The configuration Triton takes: the variant of that name if the model has one."""
    variant = model / "configs" / f"{config_name}.pbtxt"
    return variant if config_name and variant.exists() else model / CONFIG_FILE


def read_config(path: Path) -> Any:
    """A ``config.pbtxt`` as the protobuf ``ModelConfig``.

    Raises:
        ModelRepositoryError: It is missing or not a model configuration.
    """
    try:
        return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    except FileNotFoundError:
        raise ModelRepositoryError(
            f"{path} is missing: every folder of a model repository is a model with a "
            f"{CONFIG_FILE}. Restore the file, or move the folder out of the repository."
        ) from None
    except text_format.ParseError as error:
        raise ModelRepositoryError(f"{path} is not a model configuration: {error}.") from None


def newest_version(model: Path) -> Path | None:
    """The version folder with the highest number, which Triton serves by default."""
    versions = [entry for entry in model.iterdir() if entry.is_dir() and entry.name.isdecimal()]
    return max(versions, key=lambda entry: int(entry.name), default=None)


def check_model(repository: Path, name: str, config_name: str | None = None) -> Any:
    """The configuration of one model whose files are all there.

    Raises:
        ModelRepositoryError: Something is missing; says what, and what makes it.
    """
    model = repository / name
    if not model.is_dir():
        raise ModelRepositoryError(
            f"there is no model {name!r} in {repository}. It has: {_listing(repository)}."
        )
    config = read_config(config_path(model, config_name))
    if config.name and config.name != name:
        raise ModelRepositoryError(
            f"{config_path(model, config_name)} names the model {config.name!r}, but its folder is "
            f"{name!r}. Triton wants them equal."
        )
    versions = served_versions(model, config)
    if not versions:
        raise ModelRepositoryError(f"{model} has no version folder. {_cure(name)}")
    for version in versions:
        for file in _required_files(config):
            if not (version / file).exists():
                raise ModelRepositoryError(f"{version / file} is missing. {_cure(name)}")
    for network, number in own_networks(config).items():
        needed = repository / network / str(number) / NETWORK_FILE
        if number != NEWEST and not needed.exists():
            raise ModelRepositoryError(f"{needed} is missing. {_cure(network)}")
    return config


def served_versions(model: Path, config: Any) -> list[Path]:
    """The version folders Triton serves: those that the configuration names, else the newest."""
    named = config.version_policy.specific.versions
    if named:
        return [model / str(version) for version in named]
    newest = newest_version(model)
    return [] if newest is None else [newest]


def ensemble_steps(config: Any) -> tuple[str, ...]:
    """Names of the models that a model calls: an ensemble's steps, or what it names in ``calls``.

    Raises:
        ModelRepositoryError: ``calls`` is malformed.
    """
    steps = tuple(step.model_name for step in config.ensemble_scheduling.step)
    return (*steps, *_listed(config, CALLS_PARAMETER))


def own_networks(config: Any) -> dict[str, int]:
    """The networks that a Python model computes with itself, and the version of each.

    Raises:
        ModelRepositoryError: ``networks`` is malformed.
    """
    return _listed(config, NETWORKS_PARAMETER)


def called_versions(config: Any) -> dict[str, int]:
    """The models that a model calls, and the networks it computes with, in which version.

    Raises:
        ModelRepositoryError: ``calls`` or ``networks`` is malformed.
    """
    steps = {step.model_name: int(step.model_version) for step in config.ensemble_scheduling.step}
    return {**steps, **_listed(config, CALLS_PARAMETER), **own_networks(config)}


def _listed(config: Any, parameter: str) -> dict[str, int]:
    if config.backend != "python":
        return {}
    # By index a protobuf map would gain an empty entry.
    value = config.parameters.get(parameter)
    try:
        return read_calls(value.string_value if value else "")
    except ContractError as error:
        raise ModelRepositoryError(f"{config.name}: {error}") from None


def unbuilt_models(repository: Path, config_name: str | None = None) -> dict[str, str]:
    """Models that may be left out of a server because a network was not built, each with why.

    Scoring must work on a machine that has not built the image networks; so the enhancement and
    generation families are optional, and a network that is missing takes with it the models that
    call it.
    """
    missing: dict[str, str] = {}
    # The networks come first in each family, then those that call them; generation calls upscaling.
    optional = [spec.name for spec in (*ENHANCEMENT_FAMILY, *GENERATION_FAMILY)]
    for name in (*optional, *(f"{name}{CANARY_SUFFIX}" for name in optional)):
        if not (repository / name).is_dir():
            continue
        try:
            config = check_model(repository, name, config_name)
        except ModelRepositoryError as error:
            missing[name] = str(error)
            continue
        absent = [step for step in ensemble_steps(config) if step in missing]
        if absent:
            missing[name] = f"{name} needs {', '.join(absent)}"
    return missing


def idle_stages(repository: Path, config_name: str | None = None) -> dict[str, str]:
    """Stages of scoring that no model calls in these configurations, each with why.

    ``quality`` is one process on a CPU, and an ensemble of them on a GPU.
    """
    idle = {stage.name for stage in (DECODE_IMAGE, QUALITY_VERDICT)}
    idle = {name for name in idle if (repository / name).is_dir()}
    for file in repository.glob(f"*/{CONFIG_FILE}"):
        with contextlib.suppress(ModelRepositoryError):  # The check before the start says it.
            idle -= set(ensemble_steps(read_config(config_path(file.parent, config_name))))
    return dict.fromkeys(sorted(idle), "quality does its work itself")


def with_called(
    repository: Path, names: tuple[str, ...], config_name: str | None = None
) -> tuple[str, ...]:
    """``names`` and the models that the Python-backend models among them call, sorted."""
    wanted = list(names)
    for name in wanted:  # Grows while it is walked.
        try:
            config = read_config(config_path(repository / name, config_name))
        except ModelRepositoryError:
            continue  # The check before the start has better words.
        if config.backend == "python":
            wanted += [called for called in ensemble_steps(config) if called not in wanted]
    return tuple(sorted(wanted))


def python_instances(config: Any) -> int:
    """How many stub processes a model starts."""
    if config.backend != "python":
        return 0
    return sum(max(group.count, 1) for group in config.instance_group) or 1


def _required_files(config: Any) -> list[str]:
    if config.platform == "ensemble":
        return []
    if config.platform == "tensorrt_plan":
        return [config.default_model_filename or "model.plan"]
    if config.backend == "python":
        # By index a protobuf map would gain an empty entry.
        network = config.parameters.get(MODEL_FILE_PARAMETER)
        files = [network.string_value] if network and network.string_value else []
        return [config.default_model_filename or "model.py", *files]
    return [config.default_model_filename] if config.default_model_filename else []


def _cure(name: str) -> str:
    if name.endswith("_net"):
        network = name.removesuffix("_net")
        return f"Build it with: make export (or: packshot-export build {network} --version 1)"
    return "Restore it: git checkout -- model_repository"


def _listing(repository: Path) -> str:
    return (
        ", ".join(sorted(entry.name for entry in repository.iterdir() if entry.is_dir())) or "none"
    )
