"""The command line and the environment, which are pure functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from packshot.serving.access import ProtocolGuard, TlsOptions
from packshot.serving.command import build_command, build_environment
from packshot.serving.installation import Installation
from packshot.serving.options import (
    LogOptions,
    MetricsOptions,
    ServerConfig,
    SharedMemoryOptions,
    TraceOptions,
)

WHEEL = Installation(
    executable=Path("/venv/tritonserver"),
    backend_directory=Path("/cache/backends"),
    cache_directory=Path("/venv/caches"),
    library_directories=(Path("/venv/libs"), Path("/python/lib")),
)
IMAGE = Installation(executable=Path("/opt/tritonserver/bin/tritonserver"))


def config(**changes: Any) -> ServerConfig:
    return ServerConfig(**{"model_repository": Path("/models"), **changes})


def command(installation: Installation = WHEEL, **changes: Any) -> list[str]:
    return build_command(config(**changes), installation, shared_memory_prefix="region_")


def test_whole_command_by_default() -> None:
    assert command() == [
        "/venv/tritonserver",
        "--model-repository=/models",
        "--model-control-mode=none",
        "--strict-readiness=true",
        "--disable-auto-complete-config",
        "--grpc-address=127.0.0.1",
        "--grpc-port=8001",
        "--http-address=127.0.0.1",
        "--http-port=8000",
        "--metrics-address=127.0.0.1",
        "--metrics-port=8002",
        "--metrics-interval-ms=2000",
        "--metrics-config=summary_latencies=true",
        "--log-verbose=0",
        "--log-format=default",
        "--exit-timeout-secs=60",
        "--backend-config=python,shm-default-byte-size=16777216",
        "--backend-config=python,shm-growth-byte-size=8388608",
        "--backend-config=python,shm-region-prefix-name=region_",
        "--backend-directory=/cache/backends",
    ]


def test_image_keeps_its_own_folders() -> None:
    assert not [argument for argument in command(IMAGE) if "-directory" in argument]


CHANGES: list[tuple[dict[str, Any], list[str]]] = [
    ({"model_control_mode": "explicit"}, ["--model-control-mode=explicit", "--load-model=*"]),
    (
        {"model_control_mode": "explicit", "models": ("b", "a")},
        ["--load-model=b", "--load-model=a"],
    ),
    ({"model_control_mode": "poll"}, ["--model-control-mode=poll"]),
    ({"model_config_name": "tensorrt"}, ["--model-config-name=tensorrt"]),
    ({"http_port": None}, ["--allow-http=false"]),
    ({"metrics": MetricsOptions(enabled=False)}, ["--allow-metrics=false"]),
    (
        {"metrics": MetricsOptions(summary_latencies=False, interval_ms=500)},
        ["--metrics-config=summary_latencies=false", "--metrics-interval-ms=500"],
    ),
    ({"host": "0.0.0.0"}, ["--grpc-address=0.0.0.0", "--http-address=0.0.0.0"]),
    (
        {"response_cache_bytes": 1024},
        ["--cache-config=local,size=1024", "--cache-directory=/venv/caches"],
    ),
    ({"rate_limit": True}, ["--rate-limit=execution_count"]),
    ({"strict_readiness": False}, ["--strict-readiness=false"]),
    ({"exit_timeout_s": 5}, ["--exit-timeout-secs=5"]),
    ({"grpc_infer_threads": 4}, ["--grpc-infer-thread-count=4"]),
    (
        {"log": LogOptions(verbose=2, file=Path("/l"), format="ISO8601")},
        ["--log-verbose=2", "--log-file=/l", "--log-format=ISO8601"],
    ),
    (
        {"shared_memory": SharedMemoryOptions(initial_bytes=2**23, growth_bytes=2**20)},
        [
            "--backend-config=python,shm-default-byte-size=8388608",
            "--backend-config=python,shm-growth-byte-size=1048576",
        ],
    ),
    (
        {"tls": TlsOptions(certificate=Path("/c"), key=Path("/k"))},
        ["--grpc-use-ssl=true", "--grpc-server-cert=/c", "--grpc-server-key=/k"],
    ),
    (
        {
            "tls": TlsOptions(
                certificate=Path("/c"), key=Path("/k"), client_authority=Path("/a"), mutual=True
            )
        },
        ["--grpc-use-ssl-mutual=true", "--grpc-root-cert=/a"],
    ),
    (
        {"guards": (ProtocolGuard.parse("inference,trace:key=a=b"),)},
        [
            "--grpc-restricted-protocol=inference,trace:key=a=b",
            "--http-restricted-api=inference,trace:key=a=b",
        ],
    ),
    (
        {"trace": TraceOptions(destination="http://c:4318/v1/traces", rate=10)},
        [
            "--trace-config=mode=opentelemetry",
            "--trace-config=rate=10",
            "--trace-config=opentelemetry,url=http://c:4318/v1/traces",
        ],
    ),
    (
        {"trace": TraceOptions(destination="/t.json", mode="triton")},
        ["--trace-config=triton,file=/t.json", "--trace-config=triton,log-frequency=1"],
    ),
    ({"extra_args": ("--http-thread-count=4",)}, ["--http-thread-count=4"]),
]


@pytest.mark.parametrize(("changes", "expected"), CHANGES)
def test_option(changes: dict[str, Any], expected: list[str]) -> None:
    built = command(**changes)
    assert set(expected) <= set(built)
    assert not set(expected) <= set(command())


def test_auto_complete_is_off_unless_asked_for() -> None:
    assert "--disable-auto-complete-config" not in command(auto_complete_config=True)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"grpc_port": 0}, "grpc port must be 1 to 65535"),
    ({"grpc_port": 8000}, "its own port"),
    ({"models": ("quality",)}, "explicit"),
    ({"model_control_mode": "always"}, "none, explicit or poll"),
    ({"exit_timeout_s": 0}, "exit_timeout_s"),
    ({"response_cache_bytes": -1}, "response_cache_bytes"),
    ({"grpc_infer_threads": 1}, "2 to 128"),
    ({"model_config_name": "two words"}, "without spaces"),
]


@pytest.mark.parametrize(("changes", "says"), WRONG)
def test_wrong_configuration(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        config(**changes)


@pytest.mark.parametrize("text", ["", "inference", "inference:key", "nonsense:key=v", ":k=v"])
def test_wrong_guard(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        ProtocolGuard.parse(text)


def test_secret_is_not_shown() -> None:
    assert "hush" not in repr(ProtocolGuard.parse("inference:key=hush"))


def test_mutual_tls_needs_an_authority() -> None:
    with pytest.raises(ValueError, match="client_authority"):
        TlsOptions(certificate=Path("c"), key=Path("k"), mutual=True)


def test_environment_puts_ours_first() -> None:
    base = {"PATH": "/usr/bin", "LD_LIBRARY_PATH": "/theirs", "HOME": "/root"}
    environment = build_environment(base, WHEEL, python_bin=Path("/venv/bin"))
    assert environment["PATH"] == "/venv/bin:/usr/bin"
    assert environment["LD_LIBRARY_PATH"] == "/venv/libs:/python/lib:/theirs"
    assert environment["HOME"] == "/root"
    assert base["PATH"] == "/usr/bin"


def test_environment_of_an_image_keeps_its_libraries() -> None:
    environment = build_environment({"LD_LIBRARY_PATH": "/x"}, IMAGE, python_bin=Path("/b"))
    assert environment["LD_LIBRARY_PATH"] == "/x"
    assert environment["PATH"] == "/b"
