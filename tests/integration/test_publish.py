"""Publishing on a live Triton under load: no request fails, and nobody gets an unproven version."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packshot.serving.options import ServerConfig
from packshot.serving.ports import free_ports
from packshot.serving.process import TritonProcess
from packshot_export import networks
from packshot_export.configuration import pinned_version, served_versions
from packshot_export.errors import (
    BusyError,
    ParityError,
    PublishError,
    ServerError,
    VerificationError,
    VersionError,
)
from packshot_export.publication import Publisher
from packshot_export.server import ModelServer, ServerAddress
from packshot_export.state import PublishState

KIT = Path(__file__).with_name("publish_kit.py")
_spec = importlib.util.spec_from_file_location("publish_kit", KIT)
assert _spec is not None
assert _spec.loader is not None
kit = importlib.util.module_from_spec(_spec)
sys.modules["publish_kit"] = kit
_spec.loader.exec_module(kit)


CALLERS = ("tiny", "tiny_caller", "tiny_holder")


class Live:
    """A server with its repository; each test adds versions above those of the tests before."""

    def __init__(self, repository: Path, triton: TritonProcess) -> None:
        self.repository = repository
        self.model = repository / "tiny_net"
        self.address = triton.grpc_address
        self.number = 1

    def add(self, **changes: Any) -> int:
        self.number += 1
        kit.add_version(self.repository, self.number, **changes)
        return self.number

    @property
    def stable(self) -> int:
        return int(pinned_version(self.repository / "tiny", "tiny_net"))

    def canary_of(self, server: ModelServer, caller: str) -> float:
        """What the canary's copy of a caller answers."""
        canary = f"{caller}_canary"
        version = served_versions(self.repository / canary, None)[0]
        return float(server.infer(canary, version, kit.TINY.example_inputs(1, 0))["SCORE"][0, 0])

    def publisher(self, server: ModelServer, report: Any = lambda _: None) -> Publisher:
        return Publisher(self.model, server, report=report)

    def connect(self) -> ModelServer:
        return ModelServer(ServerAddress(address=self.address, timeout_s=60))

    def load(self) -> Any:
        return kit.Load(self.address)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    repository = kit.make_repository(tmp_path_factory.mktemp("publish") / "models")
    config = ServerConfig.on_free_ports(repository, model_control_mode="explicit")
    networks.NETWORKS["tiny"] = kit.TINY
    try:
        with TritonProcess(config) as triton:
            yield Live(repository, triton)
    finally:
        del networks.NETWORKS["tiny"]


def test_publish_then_roll_back_under_load(live: Live) -> None:
    old, new = live.stable, live.add()
    with live.load().running() as load, live.connect() as server:
        assert live.publisher(server).publish(new, max_slowdown=8.0).stable == new
    assert not load.failures
    assert {answers[-1] for answers in load.answers.values()} == {float(new)}
    for caller in CALLERS:
        assert set(load.answers[caller]) == {float(old), float(new)}
    assert served_versions(live.model, None) == (new,)
    assert "# A comment that must stay." in (live.model / "config.pbtxt").read_text()
    with live.load().running() as load, live.connect() as server:
        assert live.publisher(server).rollback().stable == old
    assert not load.failures
    assert {answers[-1] for answers in load.answers.values()} == {float(old)}


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"loads": False}, ServerError, "does not load"),
        ({"answer": 99.0}, ParityError, "SCORE: off by"),
        ({"on_call": "time.sleep(0.4)"}, PublishError, "times as long"),
    ],
    ids=["fails to load", "wrong answers", "too slow"],
)
def test_a_bad_version_meets_no_caller(
    live: Live, changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    old = live.stable
    new = live.add(**changes)
    before = (live.model / "config.pbtxt").read_text()
    with (
        live.load().running() as load,
        live.connect() as server,
        pytest.raises(error, match=says),
    ):
        live.publisher(server).publish(new, max_slowdown=3.0)
    assert not load.failures
    for answers in load.answers.values():
        assert set(answers) == {float(old)}
    assert (live.model / "config.pbtxt").read_text() == before


def test_canary_is_called_only_by_name_until_promoted(live: Live) -> None:
    old, new = live.stable, live.add()
    inputs = kit.TINY.example_inputs(1, 0)
    with live.load().running() as load, live.connect() as server:
        published = live.publisher(server).publish(new, as_canary=True, max_slowdown=8.0)
        assert (published.stable, published.canary) == (old, new)
        assert server.infer("tiny_net", old, inputs)["SCORE"] == old
        assert server.infer("tiny_net", new, inputs)["SCORE"] == new
        for caller in CALLERS:
            assert live.canary_of(server, caller) == new
        with pytest.raises(PublishError, match="promote or"):
            live.publisher(server).publish(new)
        for caller in CALLERS:
            assert set(load.answers[caller]) == {float(old)}
        assert live.publisher(server).promote().stable == new
    assert not load.failures
    for caller in CALLERS:
        assert load.answers[caller][-1] == new


def test_abort_gives_the_canary_s_callers_the_stable_version(live: Live) -> None:
    old, new = live.stable, live.add()
    with live.load().running() as load, live.connect() as server:
        live.publisher(server).publish(new, as_canary=True, max_slowdown=8.0)
        live.publisher(server).abort()
        for caller in CALLERS:
            assert live.canary_of(server, caller) == old
    assert not load.failures
    for caller in CALLERS:
        assert set(load.answers[caller]) == {float(old)}
    assert served_versions(live.model, None) == (old,)


@pytest.mark.parametrize(
    "stage", ["load candidate", "check golden answers", "serve both", "retire the old version"]
)
def test_a_publisher_killed_half_way_is_put_right_by_the_next(live: Live, stage: str) -> None:
    new = live.add()
    old = live.stable
    with live.load().running() as load:
        command = [sys.executable, str(KIT), str(live.repository), live.address, str(new), stage]
        killed = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        with killed:
            assert killed.stdout is not None
            for line in killed.stdout:
                if line.strip() == stage:
                    break
            killed.send_signal(signal.SIGKILL)
        assert live.stable in (old, new)
        assert live.stable in served_versions(live.model, None)
        with live.connect() as server:
            assert live.publisher(server).publish(new, max_slowdown=8.0).stable == new
    assert not load.failures
    for caller in CALLERS:
        assert load.answers[caller][-1] == new
    assert PublishState.of(live.model).pending is None


def test_the_second_of_two_publishers_is_told_to_wait(live: Live) -> None:
    first, second = live.add(), live.add()
    entered, leave = threading.Event(), threading.Event()

    def hold(stage: str) -> None:
        if stage == "verify files":
            entered.set()
            leave.wait(60)

    def publish_first() -> None:
        with live.connect() as server:
            live.publisher(server, hold).publish(first, max_slowdown=8.0)

    thread = threading.Thread(target=publish_first)
    thread.start()
    try:
        assert entered.wait(60)
        with live.connect() as server, pytest.raises(BusyError, match="pid"):
            live.publisher(server).publish(second)
    finally:
        leave.set()
        thread.join()
    assert live.stable == first


def test_a_tampered_version_is_refused(live: Live) -> None:
    new = live.add()
    with (live.model / str(new) / "model.py").open("a") as stream:
        stream.write("# changed\n")
    with live.connect() as server, pytest.raises(VerificationError, match=r"model\.py was changed"):
        live.publisher(server).publish(new)


def test_a_version_that_is_not_there(live: Live) -> None:
    with live.connect() as server, pytest.raises(VersionError, match="no version at"):
        live.publisher(server).publish(999)


def test_a_server_that_is_down() -> None:
    port = free_ports(1)[0]
    address = ServerAddress(address=f"127.0.0.1:{port}", timeout_s=10)
    with (
        pytest.raises(ServerError, match=r"no server answers|did not answer"),
        ModelServer(address),
    ):
        pass
