"""What must not go public, certificates out of date, plans of another GPU: refused at start."""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from packshot.serving.access import ProtocolGuard, TlsOptions
from packshot.serving.certificates import certificate_problems
from packshot.serving.draining import drainable
from packshot.serving.gpu_plans import plan_problems
from packshot.serving.options import ServerConfig
from packshot.serving.preflight import exposure_problems

MAKE = Path(__file__).parents[3] / "docker" / "tls" / "make_test_certificates.sh"


def config(**changes: Any) -> ServerConfig:
    return ServerConfig(**{"model_repository": Path("/models"), **changes})


def test_open_model_control_on_a_public_address() -> None:
    (problem,) = exposure_problems(config(host="0.0.0.0", model_control_mode="explicit"))
    assert "--restrict-file" in str(problem)
    guard = ProtocolGuard.parse("model-repository:admin-key=secret")
    explicit = {"model_control_mode": "explicit"}
    assert not exposure_problems(config(host="0.0.0.0", guards=(guard,), **explicit))
    assert not exposure_problems(config(**explicit))
    assert not exposure_problems(config(host="0.0.0.0"))


def test_private_protocols_are_closed_on_public_addresses() -> None:
    public = drainable(config(host="0.0.0.0"))
    for protocol in ("model-repository", "shared-memory", "trace", "logging"):
        assert public.is_guarded(protocol)
    assert not drainable(config()).is_guarded("shared-memory")
    own = ProtocolGuard.parse("shared-memory:mine=x")
    guards = drainable(config(host="0.0.0.0", guards=(own,))).guards
    assert guards[0] == own
    assert "shared-memory" not in guards[1].protocols, "Triton takes each protocol once"


def test_http_stays_inside_when_grpc_has_tls() -> None:
    tls = TlsOptions(certificate=Path("c"), key=Path("k"))
    assert config(host="0.0.0.0").http_bind == "0.0.0.0"
    assert config(host="0.0.0.0", tls=tls).http_bind == "127.0.0.1"
    assert config(host="0.0.0.0", tls=tls, http_host="10.0.0.1").http_bind == "10.0.0.1"


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with the openssl program")
    folder = tmp_path_factory.mktemp("pem")
    subprocess.run([MAKE, folder, "2"], check=True, capture_output=True)
    return folder


def tls_config(certificate: Path, key: Path) -> ServerConfig:
    return config(tls=TlsOptions(certificate=certificate, key=key))


def test_certificates(pem: Path, tmp_path: Path) -> None:
    good = tls_config(pem / "server.pem", pem / "server.key")
    now = datetime.datetime.now(datetime.timezone.utc)
    week = datetime.timedelta(days=7)
    assert not certificate_problems(good)
    (late,) = certificate_problems(good, now + week)
    assert "expired on" in str(late)
    (early,) = certificate_problems(good, now - week)
    assert "clock" in str(early)
    (other,) = certificate_problems(tls_config(pem / "server.pem", pem / "client.key"))
    assert "belong together" in str(other)
    (tmp_path / "text").write_text("hello")
    (text,) = certificate_problems(tls_config(tmp_path / "text", pem / "server.key"))
    assert "not a PEM certificate" in str(text)
    (missing,) = certificate_problems(tls_config(tmp_path / "none", pem / "server.key"))
    assert "cannot be read" in str(missing)
    (key,) = certificate_problems(tls_config(pem / "server.pem", tmp_path / "none"))
    assert "key" in str(key)


def test_plan_of_another_gpu(tmp_path: Path) -> None:
    model = tmp_path / "quality_net"
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text('name: "quality_net" platform: "tensorrt_plan"')
    (model / "1" / "manifest.json").write_text(
        json.dumps({"environment": {"compute_capability": "8.9"}})
    )
    served = config(model_repository=tmp_path)
    assert not plan_problems(served, lambda: ["8.9"])
    (problem,) = plan_problems(served, lambda: ["9.0"])
    assert "8.9" in str(problem)
    assert "packshot-export build quality --target tensorrt" in str(problem)
    (absent,) = plan_problems(served, lambda: None)
    assert "--gpus all" in str(absent)
