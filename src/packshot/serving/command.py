"""tritonserver's command line and environment, as pure functions of the configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from packshot.serving.installation import Installation
from packshot.serving.options import ServerConfig


def _flag(value: bool) -> str:
    return "true" if value else "false"


def build_command(
    config: ServerConfig, installation: Installation, *, shared_memory_prefix: str
) -> list[str]:
    """The argument list that starts tritonserver.

    Args:
        config: What to serve and how.
        installation: Where tritonserver and its backends are.
        shared_memory_prefix: Start of the name of every shared-memory region of this server,
            by which they are found again when it has died.
    """
    command = [
        str(installation.executable),
        f"--model-repository={config.model_repository}",
        *_model_arguments(config),
        *_endpoint_arguments(config),
        *_guard_arguments(config),
        *_observation_arguments(config),
        f"--exit-timeout-secs={config.exit_timeout_s}",
        f"--backend-config=python,shm-default-byte-size={config.shared_memory.initial_bytes}",
        f"--backend-config=python,shm-growth-byte-size={config.shared_memory.growth_bytes}",
        f"--backend-config=python,shm-region-prefix-name={shared_memory_prefix}",
    ]
    if installation.backend_directory is not None:
        command.append(f"--backend-directory={installation.backend_directory}")
    if config.response_cache_bytes:
        command.append(f"--cache-config=local,size={config.response_cache_bytes}")
        if installation.cache_directory is not None:
            command.append(f"--cache-directory={installation.cache_directory}")
    if config.rate_limit:
        command.append("--rate-limit=execution_count")
    return [*command, *config.extra_args]


def _model_arguments(config: ServerConfig) -> list[str]:
    arguments = [
        f"--model-control-mode={config.model_control_mode}",
        f"--strict-readiness={_flag(config.strict_readiness)}",
    ]
    if config.model_control_mode == "explicit":
        everything = not config.models and not config.left_out()
        names = ("*",) if everything else config.models_at_start()
        arguments += [f"--load-model={name}" for name in names]
    if config.model_config_name is not None:
        arguments.append(f"--model-config-name={config.model_config_name}")
    if not config.auto_complete_config:
        arguments.append("--disable-auto-complete-config")
    return arguments


def _endpoint_arguments(config: ServerConfig) -> list[str]:
    arguments = [f"--grpc-address={config.host}", f"--grpc-port={config.grpc_port}"]
    if config.http_port is None:
        arguments.append("--allow-http=false")
    else:
        arguments += [f"--http-address={config.http_bind}", f"--http-port={config.http_port}"]
    if config.metrics.enabled:
        arguments += [
            f"--metrics-address={config.host}",
            f"--metrics-port={config.metrics_port}",
            f"--metrics-interval-ms={config.metrics.interval_ms}",
            f"--metrics-config=summary_latencies={_flag(config.metrics.summary_latencies)}",
        ]
    else:
        arguments.append("--allow-metrics=false")
    if config.grpc_infer_threads is not None:
        arguments.append(f"--grpc-infer-thread-count={config.grpc_infer_threads}")
    return arguments


def _guard_arguments(config: ServerConfig) -> list[str]:
    arguments = []
    if config.tls is not None:
        arguments += [
            f"--grpc-use-ssl{'-mutual' if config.tls.mutual else ''}=true",
            f"--grpc-server-cert={config.tls.certificate}",
            f"--grpc-server-key={config.tls.key}",
        ]
        if config.tls.client_authority is not None:
            arguments.append(f"--grpc-root-cert={config.tls.client_authority}")
    for guard in config.guards:
        rule = f"{','.join(guard.protocols)}:{guard.header}={guard.secret}"
        arguments.append(f"--grpc-restricted-protocol={rule}")
        if config.http_port is not None:
            # Guarding one endpoint only would leave the other as a way in.
            arguments.append(f"--http-restricted-api={rule}")
    return arguments


def _observation_arguments(config: ServerConfig) -> list[str]:
    arguments = [f"--log-verbose={config.log.verbose}", f"--log-format={config.log.format}"]
    if config.log.file is not None:
        arguments.append(f"--log-file={config.log.file}")
    if config.trace is not None:
        trace = config.trace
        target = "url" if trace.mode == "opentelemetry" else "file"
        arguments += [
            f"--trace-config=mode={trace.mode}",
            f"--trace-config=rate={trace.rate}",
            "--trace-config=level=TIMESTAMPS",
            f"--trace-config={trace.mode},{target}={trace.destination}",
        ]
        if trace.mode == "triton":
            # Triton 2.51 keeps them for its end, and then writes none: a file each, at once.
            arguments.append("--trace-config=triton,log-frequency=1")
    return arguments


def build_environment(
    base: Mapping[str, str], installation: Installation, *, python_bin: Path
) -> dict[str, str]:
    """The environment in which tritonserver finds its libraries and the models their Python.

    Args:
        base: The caller's environment; not changed.
        installation: Where tritonserver and its libraries are.
        python_bin: ``bin`` folder of the running (virtual) environment. The stub's embedded
            interpreter takes its packages from the first ``python3`` on PATH.
    """
    environment = dict(base)
    environment["PATH"] = _joined([str(python_bin)], base.get("PATH"))
    libraries = [str(folder) for folder in installation.library_directories]
    if libraries:
        environment["LD_LIBRARY_PATH"] = _joined(libraries, base.get("LD_LIBRARY_PATH"))
    # Without it, prints of a model wait in a buffer until the stub ends.
    environment.setdefault("PYTHONUNBUFFERED", "1")
    return environment


def _joined(first: list[str], rest: str | None) -> str:
    return os.pathsep.join([*first, *([rest] if rest else [])])
