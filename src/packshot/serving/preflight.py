"""What is checked before tritonserver starts: all that would make it hang or fail later.

Each check returns its problems, worded with the way to mend them.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from packshot.errors import (
    MissingDependencyError,
    ModelRepositoryError,
    PortInUseError,
    ServingError,
)
from packshot.serving.certificates import certificate_problems
from packshot.serving.draining import CONTROL_PROTOCOL
from packshot.serving.gpu_plans import plan_problems
from packshot.serving.installation import STUB, Installation
from packshot.serving.options import MEBIBYTE, ServerConfig
from packshot.serving.ports import bind_obstacle, port_holder
from packshot.serving.repository import check_model, ensemble_steps, python_instances
from packshot.serving.shared_memory import SHARED_MEMORY

_TRIAL_TIMEOUT_S = 30.0
_LOADER_FAILED = 127


def preflight(
    config: ServerConfig, installation: Installation, environment: Mapping[str, str]
) -> None:
    """Run every check.

    Raises:
        ServingError: The problems found, all in one message; of the first one's type.
    """
    problems = [
        *port_problems(config),
        *exposure_problems(config),
        *certificate_problems(config),
        *repository_problems(config),
        *program_problems(config, installation, environment),
        *package_problems(installation),
    ]
    if not any(isinstance(problem, ModelRepositoryError) for problem in problems):
        problems += [*shared_memory_problems(config), *plan_problems(config)]
    if problems:
        raise type(problems[0])("\n".join(str(problem) for problem in problems))


def port_problems(config: ServerConfig) -> list[ServingError]:
    """Ports that another process holds."""
    if any(argument.startswith("--reuse-") for argument in config.extra_args):
        return []
    problems: list[ServingError] = []
    for endpoint, port in config.ports.items():
        host = config.http_bind if endpoint == "http" else config.host
        obstacle = bind_obstacle(host, port)
        if obstacle is not None:
            holder = port_holder(port)
            problems.append(
                PortInUseError(
                    f"cannot listen on {host}:{port} for {endpoint}: {obstacle}"
                    f"{f' (held by {holder})' if holder else ''}. Stop it, or choose another "
                    f"port: packshot-serve --{endpoint}-port {port + 10}"
                )
            )
    return problems


def exposure_problems(config: ServerConfig) -> list[ServingError]:
    """Model control that anyone on the network could use."""
    controllable = config.model_control_mode == "explicit" and not config.is_guarded(
        CONTROL_PROTOCOL
    )
    if not (controllable and config.is_public):
        return []
    return [
        ServingError(
            f"model control is open to everybody who reaches {config.host}: anyone could unload "
            "the models or load others. Guard it with a key (--restrict-file FILE with a line "
            f"{CONTROL_PROTOCOL}:admin-key=SECRET), bind to this machine only (--host 127.0.0.1), "
            "or leave model control off (--model-control-mode none)."
        )
    ]


def repository_problems(config: ServerConfig) -> list[ServingError]:
    """Missing models and model files."""
    repository = config.model_repository
    if not repository.is_dir():
        return [
            ModelRepositoryError(
                f"the model repository {repository.absolute()} is not a folder. Run from the root "
                "of the packshot checkout, or give it: packshot-serve --model-repository FOLDER"
            )
        ]
    wanted = list(config.models_at_start())
    if not wanted:
        return [ModelRepositoryError(f"the model repository {repository} has no models.")]
    problems: list[ServingError] = []
    for name in wanted:  # Grows while it is walked: an ensemble needs its steps.
        try:
            model = check_model(repository, name, config.model_config_name)
        except ModelRepositoryError as error:
            problems.append(error)
            continue
        wanted += [step for step in ensemble_steps(model) if step not in wanted]
    return problems


def program_problems(
    config: ServerConfig, installation: Installation, environment: Mapping[str, str]
) -> list[ServingError]:
    """A server or stub that this machine cannot run. Runs both for a moment."""
    server, usage = _trial([str(installation.executable), "--help"], environment)
    if server == _LOADER_FAILED:
        return [_loader_problem(installation.executable, usage)]
    problems: list[ServingError] = []
    if config.grpc_infer_threads is not None and "--grpc-infer-thread-count" not in usage:
        problems.append(
            MissingDependencyError(
                f"{installation.executable} does not know --grpc-infer-thread-count. Leave out "
                "the option, or use a newer Triton (the NGC image)."
            )
        )
    if installation.backend_directory is not None:
        stub = installation.backend_directory / "python" / STUB
        # A stub that lacks libpython does not fail when a model loads: it hangs the load.
        result, output = _trial([str(stub)], environment)
        if result == _LOADER_FAILED:
            problems.append(_loader_problem(stub, output))
    return problems


def package_problems(installation: Installation) -> list[ServingError]:
    """Python packages of a version that the wheel's Python backend cannot work with."""
    if installation.backend_directory is None:
        return []
    numpy = importlib.metadata.version("numpy")
    if int(numpy.partition(".")[0]) >= 2:
        return [
            MissingDependencyError(
                f"numpy is {numpy}, but the tritonserver of nvidia-pytriton needs numpy below 2: "
                "pip install 'numpy<2'"
            )
        ]
    return []


def shared_memory_problems(
    config: ServerConfig, folder: Path = SHARED_MEMORY
) -> list[ServingError]:
    """Too little shared memory for the pools of the Python-backend models."""
    names = set(config.models_at_start())
    configs = [check_model(config.model_repository, n, config.model_config_name) for n in names]
    needed = sum(map(python_instances, configs)) * config.shared_memory.initial_bytes
    free = shutil.disk_usage(folder).free if folder.is_dir() else 0
    if free >= needed:
        return []
    return [
        ServingError(
            f"{folder} has {free // MEBIBYTE} MiB free, but the models' pools need "
            f"{needed // MEBIBYTE} MiB and grow with the largest tensor. In Docker: "
            "docker run --shm-size=1g; or smaller pools: packshot-serve --shm-initial-mib 4"
        )
    ]


def _trial(command: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TRIAL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return _LOADER_FAILED, str(error)
    output = done.stdout + done.stderr
    # glibc's own versions are looked up after loading began, with another exit status.
    failed = "error while loading shared libraries" in output or "' not found (required" in output
    return (_LOADER_FAILED if failed else done.returncode), output


def _loader_problem(program: Path, output: str) -> ServingError:
    reason = (output.strip().splitlines() or ["no output"])[-1]
    if "GLIBC" in reason:
        cure = (
            "It needs glibc 2.35 or newer (Debian 12, Ubuntu 22.04): use a newer system or Docker."
        )
    elif "libpython" in reason:
        cure = (
            "Install the shared library of this Python (Debian: apt install libpython3-dev; "
            "pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install ...), or use Docker."
        )
    else:
        cure = "Install nvidia-pytriton anew (pip install --force-reinstall), or use Docker."
    return MissingDependencyError(f"{program} cannot be run: {reason}. {cure}")
