"""TLS and mutual TLS on the gRPC endpoint of a real server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from packshot.serving.access import TlsOptions
from packshot.serving.options import ServerConfig
from packshot.serving.process import TritonProcess

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="certificates are made with the openssl program"
)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with key.pem and a self-signed certificate.pem for localhost."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def is_ready(channel: grpc.Channel) -> bool:
    with channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        return bool(stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=60).ready)


@pytest.mark.parametrize("mutual", [False, True], ids=["tls", "mutual"])
def test_only_callers_with_the_right_credentials_are_answered(
    mutual: bool, pem: Path, own_config: Callable[..., ServerConfig]
) -> None:
    certificate = (pem / "certificate.pem").read_bytes()
    key = (pem / "key.pem").read_bytes()
    tls = TlsOptions(
        certificate=pem / "certificate.pem",
        key=pem / "key.pem",
        client_authority=pem / "certificate.pem" if mutual else None,
        mutual=mutual,
    )
    with TritonProcess(own_config(tls=tls)) as server:
        known = grpc.ssl_channel_credentials(
            certificate, key if mutual else None, certificate if mutual else None
        )
        assert is_ready(grpc.secure_channel(server.grpc_address, known))
        with pytest.raises(grpc.RpcError):
            is_ready(grpc.insecure_channel(server.grpc_address))
        if mutual:
            stranger = grpc.ssl_channel_credentials(certificate)
            with pytest.raises(grpc.RpcError):
                is_ready(grpc.secure_channel(server.grpc_address, stranger))
