"""Starting, draining, stopping and being killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from packshot.errors import ModelRepositoryError, PortInUseError, ServerStartError
from packshot.serving.access import ProtocolGuard
from packshot.serving.options import ServerConfig
from packshot.serving.process import TritonProcess
from packshot.serving.shared_memory import OWN_PREFIX, SHARED_MEMORY
from packshot.serving.stubs import process_state

Configure = Callable[..., ServerConfig]


def regions_of(pid: int) -> list[str]:
    """The shared-memory regions that a process has mapped."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return sorted(
        {line.rpartition("/")[2] for line in maps.splitlines() if f"/{OWN_PREFIX}" in line}
    )


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def is_running(pid: int) -> bool:
    return process_state(pid) not in ("", "Z")


@pytest.fixture
def frozen(freeze_process: Callable[[int], None]) -> Callable[..., AbstractContextManager[None]]:
    """Processes that do nothing for as long as a ``with`` block lasts."""

    @contextmanager
    def freeze(pids: list[int]) -> Iterator[None]:
        for pid in pids:
            freeze_process(pid)
        try:
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):  # It was ended meanwhile.
                    os.kill(pid, signal.SIGCONT)

    return freeze


STOPPING = "Server is stopping, scheduler for model has stopped accepting new inference requests"


def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_start_and_stop_leave_nothing_behind(own_config: Configure) -> None:
    with TritonProcess(own_config()) as server:
        assert server.models == ("quality", "quality_net")
        regions = regions_of(server.pid)
        assert len(regions) == 4, "one for each of the two processes of a model"
    assert server.returncode == 0
    assert not [name for name in regions if (SHARED_MEMORY / name).exists()]


def test_sigterm_answers_all_that_was_accepted(
    own_config: Configure, connect: Any, photo_files: dict[str, bytes]
) -> None:
    with TritonProcess(own_config()) as server:
        answers = connect(server.grpc_address).start_scores_that_wait(photo_files["coffee"])
        assert server.stop() == 0
        assert all(np.isfinite(answer.result(60)["SCORE"]).all() for answer in answers)


def test_late_request_is_refused_with_words(
    own_config: Configure, connect: Any, photo_files: dict[str, bytes], frozen: Any
) -> None:
    with TritonProcess(own_config()) as server:
        caller = connect(server.grpc_address)
        answers = [caller.start_score(photo_files["coffee"]) for _ in range(24)]
        answers[0].result(60)
        stopping = threading.Thread(target=server.stop)
        # Its work stands still, so that it is stopping for as long as this takes.
        with frozen(children_of(server.pid)):
            late = caller.start_score(photo_files["coffee"])
            stopping.start()
            error = first_refusal(caller, photo_files["coffee"])
        stopping.join()
        # Triton stops the model's scheduler first and then takes its versions away.
        assert (error.status(), error.message().rpartition("] ")[2]) in (
            ("StatusCode.UNAVAILABLE", STOPPING),
            (
                "StatusCode.NOT_FOUND",
                "Request for unknown model: 'quality' has no available versions",
            ),
        )
        assert all(answer.exception(60) is None for answer in [*answers, late])


def test_only_the_launcher_controls_models(own_config: Configure, connect: Any) -> None:
    with TritonProcess(own_config()) as server:
        client = connect(server.grpc_address).client
        with pytest.raises(InferenceServerException, match="restricted"):
            client.unload_model("quality_net")
        assert client.is_model_ready("quality_net")


def first_refusal(caller: Any, photo: bytes, timeout_s: float = 60.0) -> InferenceServerException:
    """Of calls that are made until one is refused, the others staying without an answer."""
    calls = []
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        calls.append(caller.start_score(photo))
        time.sleep(0.1)
        for call in calls:
            if call.done():
                error = call.exception()
                assert isinstance(error, InferenceServerException), "answered by a frozen server"
                return error
    raise AssertionError("never refused")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_packshot_serve_stops_cleanly(
    own_config: Configure, connect: Any, photo_files: dict[str, bytes], number: signal.Signals
) -> None:
    config = own_config()
    serve = subprocess.Popen(serve_command(config), stdout=subprocess.PIPE, text=True)
    with serve:
        assert serve.stdout is not None
        printed = []
        for line in serve.stdout:
            printed.append(line)
            if "Ctrl-C" in line:
                break
        assert any(f"{config.grpc_port}" in line for line in printed)
        assert any("Ready after" in line and "quality_net" in line for line in printed)
        caller = connect(f"127.0.0.1:{config.grpc_port}")
        answers = [caller.start_score(photo_files["coffee"]) for _ in range(24)]
        answers[0].result(60)
        serve.send_signal(number)
        assert all(answer.exception(60) is None for answer in answers)
        assert serve.wait(60) == 0


def test_what_a_killed_server_leaves_is_removed_at_the_next_start(
    own_config: Configure, frozen: Any
) -> None:
    with TritonProcess(own_config()) as killed:
        regions = regions_of(killed.pid)
        stubs = children_of(killed.pid)
        assert regions
        assert len(stubs) == 4
        # Some would notice their server's death themselves, and go with their region.
        with frozen(stubs):
            os.kill(killed.pid, signal.SIGKILL)
            wait_until(lambda: killed.returncode is not None)
            assert [name for name in regions if (SHARED_MEMORY / name).exists()] == regions
            with TritonProcess(own_config()) as server:
                assert set(stubs) <= set(server.leftovers.stub_pids)
                assert set(regions) <= set(server.leftovers.regions)
                assert not [name for name in regions if (SHARED_MEMORY / name).exists()]
                wait_until(lambda: not any(map(is_running, stubs)))


def test_start_leaves_other_servers_alone(
    triton: TritonProcess, caller: Any, own_config: Configure, photo_files: dict[str, bytes]
) -> None:
    regions = regions_of(triton.pid)
    with TritonProcess(own_config()):
        assert all((SHARED_MEMORY / name).exists() for name in regions)
    assert np.isfinite(caller.score(photo_files["coffee"])["SCORE"]).all()


def test_port_in_use(own_config: Configure) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        server = TritonProcess(own_config(grpc_port=port))
        with pytest.raises(PortInUseError) as caught:
            server.start()
    message = str(caught.value)
    assert f"127.0.0.1:{port}" in message
    assert f"pid {os.getpid()}" in message
    assert "--grpc-port" in message


def test_missing_network(own_config: Configure, copied_repository: Path) -> None:
    (copied_repository / "quality_net" / "1" / "model.xml").unlink()
    server = TritonProcess(own_config(model_repository=copied_repository))
    with pytest.raises(ModelRepositoryError, match=r"model\.xml is missing.*make export"):
        server.start()


def test_model_that_does_not_load(own_config: Configure, copied_repository: Path) -> None:
    (copied_repository / "quality" / "1" / "model.py").write_text("import nosuchmodule\n")
    server = TritonProcess(own_config(model_repository=copied_repository), start_timeout_s=120.0)
    started = time.monotonic()
    with pytest.raises(ServerStartError, match="nosuchmodule"):
        server.start()
    assert time.monotonic() - started < 60, "did not fail fast"


def test_model_that_is_ready_but_does_not_answer(
    own_config: Configure, copied_repository: Path
) -> None:
    (copied_repository / "quality" / "1" / "model.py").write_text(
        "import os\n\n\nclass TritonPythonModel:\n"
        "    def execute(self, requests):\n        os._exit(1)\n"
    )
    server = TritonProcess(own_config(model_repository=copied_repository))
    with pytest.raises(ServerStartError, match="trial inference failed"):
        server.start()


def test_model_that_hangs_while_it_loads(own_config: Configure, copied_repository: Path) -> None:
    (copied_repository / "quality" / "1" / "model.py").write_text(
        "import time\n\n\nclass TritonPythonModel:\n"
        "    def initialize(self, args):\n        time.sleep(600)\n"
    )
    server = TritonProcess(own_config(model_repository=copied_repository), start_timeout_s=6)
    with pytest.raises(ServerStartError, match="not ready within 6 s"):
        server.start()


def test_restricted_protocols(own_config: Configure, connect: Any) -> None:
    guard = ProtocolGuard.parse("health,model-repository:admin-key=secret")
    with TritonProcess(own_config(guards=(guard,))) as server:
        client = connect(server.grpc_address).client
        with pytest.raises(InferenceServerException, match="restricted"):
            client.get_model_repository_index()
        headers = {"triton-grpc-protocol-admin-key": "secret"}
        assert client.get_model_repository_index(headers=headers).models


def test_without_http(own_config: Configure) -> None:
    with TritonProcess(own_config(http_port=None)) as server:
        assert server.returncode is None


def serve_command(config: ServerConfig) -> list[str]:
    program = shutil.which("packshot-serve", path=str(Path(sys.executable).parent))
    assert program is not None
    return [
        program,
        f"--model-repository={config.model_repository}",
        f"--grpc-port={config.grpc_port}",
        f"--http-port={config.http_port}",
        f"--metrics-port={config.metrics_port}",
    ]
