"""Child processes, leftovers in shared memory, logs: with tiny real processes, no Triton."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from packshot.errors import ServerStartError, ServingError
from packshot.serving import draining, logs, shared_memory
from packshot.serving.access import ProtocolGuard
from packshot.serving.child import ChildProcess
from packshot.serving.draining import CONTROL_HEADER, drain_ensembles, drainable
from packshot.serving.endpoint import Endpoint
from packshot.serving.installation import Installation
from packshot.serving.logs import LogFilter, telling_lines
from packshot.serving.options import ServerConfig
from packshot.serving.process import TritonProcess
from packshot.serving.shared_memory import (
    OWN_PREFIX,
    REGION_PREFIX,
    new_region_prefix,
    remove_leftovers,
    remove_regions,
)
from packshot.serving.stubs import find_stubs

REPOSITORY = Path(__file__).parents[3] / "model_repository"


def python_child(code: str, *arguments: str, **options: object) -> ChildProcess:
    return ChildProcess(
        [sys.executable, "-u", "-c", code, *arguments],
        environment=os.environ,
        **options,  # type: ignore[arg-type]
    )


def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_output_is_kept_and_passed_on() -> None:
    lines: list[str] = []
    child = python_child(
        "import sys; print('out'); print('err', file=sys.stderr)", on_line=lines.append
    )
    assert child.wait(60) == 0
    child.kill()
    wait_until(lambda: len(lines) == 2)
    assert sorted(lines) == ["err", "out"]
    assert sorted(child.tail().splitlines()) == ["err", "out"]


def test_tail_is_bounded() -> None:
    child = python_child("for i in range(1000): print(i)", tail_lines=3)
    assert child.wait(60) == 0
    child.kill()
    wait_until(lambda: child.tail().endswith("999"))
    assert child.tail() == "997\n998\n999"


def test_terminate_lets_it_finish() -> None:
    child = python_child(
        "import signal, sys, time\n"
        "def stop(*_): time.sleep(.5); print('drained'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('up')\n"
        "signal.pause()"
    )
    wait_until(lambda: "up" in child.tail())
    assert child.terminate(60) == 0
    assert "drained" in child.tail()


def test_terminate_kills_the_group_of_one_that_does_not_stop() -> None:
    child = python_child(
        "import signal, subprocess\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(subprocess.Popen(['sleep', '60']).pid)\n"
        "signal.pause()\nsignal.pause()"
    )
    wait_until(lambda: bool(child.tail()))
    grandchild = int(child.tail())
    started = time.monotonic()
    assert child.terminate(0.3) == -signal.SIGKILL
    assert time.monotonic() - started < 30
    wait_until(lambda: not Path(f"/proc/{grandchild}").exists() or _is_zombie(grandchild))


def test_interrupt_of_the_terminal_does_not_reach_it() -> None:
    child = python_child("import time; time.sleep(60)")
    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
    child.kill()


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_regions_of_dead_servers_are_removed_and_those_in_use_kept(tmp_path: Path) -> None:
    dead = tmp_path / f"{new_region_prefix()}dead"
    used = tmp_path / f"{new_region_prefix()}used"
    other = tmp_path / "not_ours"
    for file in (dead, used, other):
        file.write_bytes(bytes(4096))
    child = python_child(
        "import mmap, sys, time\n"
        "f = open(sys.argv[1], 'r+b'); m = mmap.mmap(f.fileno(), 0)\n"
        "print('mapped'); time.sleep(60)",
        str(used),
    )
    try:
        wait_until(lambda: "mapped" in child.tail())
        leftovers = remove_leftovers(tmp_path)
        assert leftovers
        assert leftovers.regions == (dead.name,)
        assert leftovers.freed_bytes == 4096
        assert used.exists()
        assert other.exists()
    finally:
        child.kill()
    assert remove_leftovers(tmp_path).regions == (used.name,)
    assert not remove_leftovers(tmp_path).regions


def test_regions_of_a_server_that_is_starting_are_kept(tmp_path: Path) -> None:
    """Its prefix is on its command line before its regions are mapped, or even there."""
    prefix = new_region_prefix()
    (tmp_path / f"{prefix}new").touch()
    child = python_child("print('up'); import time; time.sleep(60)", f"--shm={prefix}")
    try:
        wait_until(lambda: "up" in child.tail())
        assert not remove_leftovers(tmp_path).regions
    finally:
        child.kill()
    assert remove_leftovers(tmp_path).regions == (f"{prefix}new",)


def test_regions_of_others_are_removed_only_when_old(tmp_path: Path) -> None:
    foreign = tmp_path / f"{REGION_PREFIX}of-another-launcher"
    unseen = tmp_path / f"{OWN_PREFIX}1-1-in-another-container_x"
    foreign.touch()
    unseen.touch()
    assert not remove_leftovers(tmp_path).regions
    hour_ago = time.time() - 3600
    os.utime(foreign, (hour_ago, hour_ago))
    os.utime(unseen, (hour_ago, hour_ago))
    assert remove_leftovers(tmp_path).regions == (foreign.name,)


def test_stub_whose_server_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whatever server starts on this machine meanwhile ends orphans too: these are no other's.
    prefix = f"{REGION_PREFIX}test-{os.getpid()}_"
    monkeypatch.setattr(shared_memory, "OWN_PREFIX", prefix)
    program = tmp_path / "triton_python_backend_stub"
    source = "import time\ntime.sleep(60)\n"
    model = tmp_path / "model.py"
    model.write_text(source)
    program.symlink_to(sys.executable)
    tail = [f"{prefix}x", "4", "4"]
    environment = {**os.environ, "PYTHONHOME": sys.base_prefix}
    live = ChildProcess(
        [str(program), str(model), *tail, str(os.getpid())], environment=environment
    )
    orphan = ChildProcess([str(program), str(model), *tail, "1"], environment=environment)
    try:
        wait_until(lambda: {live.pid, orphan.pid} <= {stub.pid for stub in find_stubs()})
        assert remove_leftovers(tmp_path).stub_pids == (orphan.pid,)
        assert orphan.wait(60) == -signal.SIGKILL
        assert live.returncode is None
    finally:
        live.kill()
        orphan.kill()


def test_own_regions_are_removed_by_prefix(tmp_path: Path) -> None:
    prefix = new_region_prefix()
    (tmp_path / f"{prefix}a").touch()
    (tmp_path / f"{new_region_prefix()}b").touch()
    assert remove_regions(prefix, tmp_path) == [f"{prefix}a"]
    assert len(list(tmp_path.iterdir())) == 1


def test_harmless_warnings_are_hidden_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    warning = "E1 server.cc:241] CudaDriverHelper has not been initialized."
    for gpu, raw, shown in ((False, False, False), (False, True, True), (True, False, True)):
        monkeypatch.setattr(logs, "has_gpu", lambda gpu=gpu: gpu)
        stream = io.StringIO()
        keep = LogFilter(raw=raw, stream=stream)
        keep(warning)
        keep("useful")
        assert (warning in stream.getvalue()) == shown
        assert "useful" in stream.getvalue()


def test_telling_lines() -> None:
    noise = "\n".join(f"I line {i}" for i in range(50))
    log = (
        f'E1 backend: "ImportError: x\\nAt: y"\n| table |\n+----+\n{noise}\nerror: creating server'
    )
    told = telling_lines(log, last=2)
    assert told == 'E1 backend: "ImportError: x\nAt: y"\nI line 49\nerror: creating server'
    assert telling_lines("") == "(it logged nothing)"


class FakeServer(Endpoint):
    """Has an ensemble that takes three questions to drain."""

    def __init__(self, states: dict[str, str]) -> None:
        self.states = states
        self.unloaded: list[str] = []
        self.questions = 0

    def model_states(self) -> dict[str, str]:
        self.questions += 1
        if self.questions > 3:
            self.states.update(dict.fromkeys(self.unloaded, "UNAVAILABLE"))
        return dict(self.states)

    def unload(self, model: str) -> None:
        self.unloaded.append(model)
        self.states[model] = "UNLOADING"


GPU = ServerConfig(model_repository=REPOSITORY, model_config_name="tensorrt")
"""With it, `quality` is an ensemble."""


def test_only_ensembles_are_unloaded() -> None:
    server = FakeServer({"quality": "READY", "quality_net": "READY", "gone": "READY"})  # type: ignore[abstract]
    assert drain_ensembles(GPU, server, timeout_s=60, is_alive=lambda: True)
    assert server.unloaded == ["quality"]


def test_draining_ends_with_the_server_or_the_time() -> None:
    for alive, timeout_s in ((False, 60.0), (True, 0.0)):
        server = FakeServer({"quality": "READY"})  # type: ignore[abstract]
        assert not drain_ensembles(
            GPU, server, timeout_s=timeout_s, is_alive=lambda alive=alive: alive
        )


def test_draining_survives_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeServer({})  # type: ignore[abstract]

    def fail() -> dict[str, str]:
        raise ServingError("no answer")

    monkeypatch.setattr(server, "model_states", fail)
    assert not drain_ensembles(GPU, server, timeout_s=60, is_alive=lambda: True)


def test_the_launcher_keeps_model_control_to_itself() -> None:
    plain = drainable(ServerConfig(model_repository=REPOSITORY))
    assert plain.model_control_mode == "explicit"
    (guard,) = plain.guards
    assert guard.protocols == ("model-repository",)
    assert guard.header == CONTROL_HEADER
    assert guard.secret != drainable(ServerConfig(model_repository=REPOSITORY)).guards[0].secret


def test_control_that_was_asked_for_is_left_as_it_is() -> None:
    for mode in ("explicit", "poll"):
        asked = ServerConfig(model_repository=REPOSITORY, model_control_mode=mode)  # type: ignore[arg-type]
        assert drainable(asked) is asked
    guard = ProtocolGuard.parse("model-repository:mine=x")
    assert drainable(ServerConfig(model_repository=REPOSITORY, guards=(guard,))).guards == (guard,)
    assert draining.CONTROL_PROTOCOL in guard.protocols


def fake_triton(folder: Path, script: str) -> Installation:
    program = folder / "tritonserver"
    program.write_text(f'#!/bin/sh\n[ "$1" = --help ] && exit 1\n{script}\n')
    program.chmod(0o755)
    return Installation(executable=program)


def tiny_config(folder: Path) -> ServerConfig:
    model = folder / "models" / "tiny"
    (model / "1").mkdir(parents=True)
    (model / "1" / "model.py").touch()
    (model / "config.pbtxt").write_text('name: "tiny" backend: "python"')
    return ServerConfig.on_free_ports(model.parent)


def test_server_that_dies_fails_at_once_with_its_last_words(tmp_path: Path) -> None:
    server = TritonProcess(
        tiny_config(tmp_path), installation=fake_triton(tmp_path, "echo out of luck; exit 3")
    )
    started = time.monotonic()
    with pytest.raises(ServerStartError, match=r"(?s)status 3.*out of luck"):
        server.start()
    assert time.monotonic() - started < 30


def test_server_that_never_gets_ready_is_ended(tmp_path: Path) -> None:
    server = TritonProcess(
        tiny_config(tmp_path),
        installation=fake_triton(tmp_path, "exec sleep 60"),
        start_timeout_s=0.5,
    )
    with pytest.raises(ServerStartError, match=r"not ready within 0\.5 s"):
        server.start()
    assert server.returncode == -signal.SIGKILL


def test_server_that_was_not_started(tmp_path: Path) -> None:
    server = TritonProcess(tiny_config(tmp_path))
    with pytest.raises(ServingError, match="not started"):
        server.stop()
