"""Certificates, headers and images that a real server refuses."""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from packshot.serving.access import ProtocolGuard, TlsOptions
from packshot.serving.process import TritonProcess
from packshot_client import (
    AccessDeniedError,
    AsyncPackshotClient,
    ClientConfig,
    ConfigError,
    InvalidInputError,
    PackshotClient,
    RequestError,
    Security,
    ServerUnavailableError,
    Tls,
)

HEADER = "triton-grpc-protocol-infer-key"
needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="certificates are made with the openssl program"
)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two pairs of key and self-signed certificate: known and strange."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("known", "strange"):
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        command += ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
        subprocess.run(command, check=True, capture_output=True)
    return folder


def client_config(pem: Path, *, ca: str = "known", own: str | None = None) -> ClientConfig:
    tls = Tls(
        ca=pem / f"{ca}.pem",
        certificate=pem / f"{own}.pem" if own else None,
        key=pem / f"{own}.key" if own else None,
        server_name="localhost",
    )
    return ClientConfig(security=Security(tls=tls), timeout_s=5.0)


@needs_openssl
async def test_mutual_tls_and_wrong_certificates(
    start_replica: Callable[..., Any], pem: Path
) -> None:
    tls = TlsOptions(
        certificate=pem / "known.pem",
        key=pem / "known.key",
        client_authority=pem / "known.pem",
        mutual=True,
    )
    address = start_replica(server={"tls": tls}).address
    with PackshotClient(address, config=client_config(pem, own="known")) as client:
        assert client.score(b"good").decision == "accept"
    async with AsyncPackshotClient(address, config=client_config(pem, own="known")) as other:
        assert (await other.score(b"good")).decision == "accept"
    wrong = (
        client_config(pem, ca="strange", own="known"),
        client_config(pem, own="strange"),
        client_config(pem),
        ClientConfig(timeout_s=5.0),
    )
    for config in wrong:
        with (
            PackshotClient(address, config=config) as stranger,
            pytest.raises(ServerUnavailableError),
        ):
            stranger.score(b"good")


def test_a_restricted_server_wants_its_header(
    start_replica: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    guard = ProtocolGuard.parse("inference:infer-key=s3cret")
    address = start_replica(server={"guards": (guard,)}).address
    right = ClientConfig(security=Security(headers={HEADER: "s3cret"}))
    with PackshotClient(address, config=right) as client:
        assert client.score(b"good").decision == "accept"
    for headers in ({}, {HEADER: "wrong-s3cret"}):
        config = ClientConfig(security=Security(headers=headers))
        with (
            caplog.at_level(logging.DEBUG, logger="packshot_client"),
            PackshotClient(address, config=config) as stranger,
            pytest.raises(AccessDeniedError) as caught,
        ):
            stranger.score(b"good")
        assert caught.value.call.attempts == 1
        assert "s3cret" not in str(caught.value) + repr(config) + repr(stranger) + caplog.text


def test_secrets_and_settings(tmp_path: Path) -> None:
    security = Security(tls=Tls(), token="t0ken", headers={"x-key": "s3cret"})
    assert security.metadata() == (("x-key", "s3cret"), ("authorization", "Bearer t0ken"))
    assert Security(tls=Tls(), token=lambda: "new").metadata()[0][1] == "Bearer new"
    assert not any(secret in repr(security) for secret in ("t0ken", "s3cret"))
    with pytest.raises(ConfigError, match="in the clear"):
        Security(token="t0ken")
    with pytest.raises(ConfigError, match="both certificate and key"):
        Tls(certificate="x")
    with pytest.raises(ConfigError, match="header's name"):
        Security(headers={"X-Key": "v"})
    with pytest.raises(ConfigError) as caught:
        Security(headers={"x-key": "bad\nvalue"})
    assert "bad" not in str(caught.value)
    (tmp_path / "no.pem").write_text("nothing")
    for name, words in (("missing.pem", "cannot be read"), ("no.pem", "no PEM file")):
        config = ClientConfig(security=Security(tls=Tls(ca=tmp_path / name)))
        with pytest.raises(ConfigError, match=words):
            PackshotClient("localhost:1", config=config)


def test_an_oversized_image_is_refused_in_words(
    triton: TritonProcess, photo_files: dict[str, bytes]
) -> None:
    huge = photo_files["coffee"] + bytes(30_000_000)
    with PackshotClient(triton.grpc_address) as client:
        with pytest.raises(InvalidInputError, match=r"20\.0 MiB"):
            client.score(huge)
        outcomes = list(client.score_many([photo_files["coffee"], huge, photo_files["coffee"]]))
    assert [isinstance(outcome, RequestError) for outcome in outcomes] == [False, True, False]
