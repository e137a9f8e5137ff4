"""The parts of the supervisor, with tiny real processes and real sockets; no Triton."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from packshot.contracts import MODELS
from packshot.errors import ContractError, PortInUseError, ServingError, UnreachableError
from packshot.imaging import Limits, prepare
from packshot.serving.backend import checked_request
from packshot.serving.endpoint import Endpoint
from packshot.serving.ports import free_ports
from packshot.serving.stubs import find_stubs, process_state
from packshot.serving.supervision.board import HealthBoard
from packshot.serving.supervision.budget import Budget
from packshot.serving.supervision.census import Fault, StubCensus
from packshot.serving.supervision.endpoint import HealthEndpoint
from packshot.serving.supervision.goldens import check_golden_answer, golden_inputs, marked_png
from packshot.serving.supervision.mending import Mender
from packshot.serving.supervision.metrics import SupervisorMetrics
from packshot.serving.supervision.options import SupervisorOptions
from packshot.serving.supervision.prober import ModelProber, ProbeResult
from packshot.serving.supervision.watch import ModelWatch, ModelWatches, with_steps


@pytest.mark.parametrize("model", MODELS)
def test_golden_inputs_keep_to_the_contract_and_never_repeat(model: str) -> None:
    first, second = golden_inputs(model, 1), golden_inputs(model, 2)
    assert first is not None
    assert second is not None
    checked_request(MODELS[model], first)
    same = [np.array_equal(first[name], second[name]) for name in first]
    assert not all(same), "a response cache would answer"


def test_only_generators_are_sent_what_makes_them_cheap() -> None:
    """Enlarging has a SCALE like theirs, of which 1 is none: it failed every probe."""
    assert set(golden_inputs("generate", 1) or ()) == {"CATEGORY", "SEED", "SCALE"}
    assert set(golden_inputs("upscale", 1) or ()) == {"IMAGE"}


def test_marked_pictures_are_the_same_picture() -> None:
    assert marked_png(1) != marked_png(2)
    one, two = (prepare(marked_png(turn), Limits()).global_view for turn in (1, 2))
    assert np.array_equal(one, two)


def test_unknown_models_have_no_golden_inputs() -> None:
    assert golden_inputs("somebody_elses", 1) is None


def answer_of(model: str) -> dict[str, Any]:
    fill = {"FP32": np.float32(0.5), "UINT8": np.uint8(1), "BYTES": b"{}"}
    dtypes = {"FP32": np.float32, "UINT8": np.uint8, "BYTES": np.object_}
    return {
        tensor.name: np.full(
            (1, *(abs(size) for size in tensor.shape)), fill[tensor.dtype], dtypes[tensor.dtype]
        )
        for tensor in MODELS[model].outputs
    }


def test_answers_that_cannot_be_right_are_refused() -> None:
    check_golden_answer("quality", answer_of("quality"))
    missing = answer_of("quality")
    del missing["SCORE"]
    with pytest.raises(ContractError, match="left out SCORE"):
        check_golden_answer("quality", missing)
    with pytest.raises(ContractError, match="not finite"):
        check_golden_answer(
            "quality", {**answer_of("quality"), "SCORE": np.array([[np.nan]], np.float32)}
        )
    with pytest.raises(ContractError, match="expected FP32"):
        check_golden_answer("quality", {**answer_of("quality"), "SCORE": np.zeros((1, 2))})


def test_budget_waits_longer_each_time_and_ends() -> None:
    now = [0.0]
    budget = Budget(4, 100.0, backoff_s=1.0, max_backoff_s=3.0, clock=lambda: now[0])
    assert [budget.spend() for _ in range(5)] == [0.0, 1.0, 2.0, 3.0, None]
    now[0] = 101.0
    assert budget.spend() == 0.0, "the window has passed"


@pytest.mark.parametrize(
    "wrong",
    [{"port": 0}, {"tick_s": 0}, {"strikes": 0}, {"drain_delay_s": -1}, {"max_restarts": 0}],
)
def test_options_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        SupervisorOptions(**wrong)


class Server:
    """An endpoint whose behaviour a test sets."""

    streams = True

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.computed = 0
        self.grows = 0
        self.now_s = 100.0
        self.takes_s = 0.001
        self.cpu_share = 0.0

    def infer(self, model: str, _inputs: Any) -> dict[str, Any]:
        self.computed += self.grows
        self.now_s += self.takes_s
        if self.error is not None:
            raise self.error
        return answer_of(model)

    def stream(self, model: str, inputs: Any) -> list[dict[str, Any]]:
        return [self.infer(model, inputs)]

    def executions(self, _model: str) -> int:
        return self.computed

    def model_ready(self, _model: str) -> bool:
        return self.error is None


def prober(server: Server, model: str = "quality_net") -> ModelProber:
    return ModelProber(
        model,
        lambda _timeout_s: server,  # type: ignore[arg-type, return-value]
        SupervisorOptions(),
        SupervisorMetrics(),
        lambda: server.now_s * server.cpu_share,
        clock=lambda: server.now_s,
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (None, "ok"),
        (UnreachableError("deadline"), "unreachable"),
        (ServingError("Stub process 'quality_net_0_0' is not healthy."), "stub"),
        (ServingError("unknown model: 'x' has no available versions"), "absent"),
        (ServingError("internal"), "error"),
    ],
)
def test_what_a_probe_finds(error: Exception | None, kind: str) -> None:
    server = Server()
    server.error = error
    assert prober(server).probe().kind == kind


REFUSALS = (ServingError("Exceeds maximum queue size"), ServingError("Request timeout expired"))


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_a_full_queue_is_no_fault_while_batches_are_finished(refusal: ServingError) -> None:
    """The refusal itself takes a millisecond, in which none is."""
    server = Server()
    asked = prober(server)
    assert asked.probe().kind == "ok"
    server.error = refusal
    for _ in range(20):
        server.now_s += 1.0
        server.computed += 1
        assert asked.probe().kind == "busy"
    server.now_s += 1.0
    assert not asked.probe().good, "it hangs"


@pytest.mark.parametrize(
    ("error", "takes_s"), [(REFUSALS[0], 0.001), (UnreachableError("deadline"), 2.0)], ids=str
)
def test_a_model_that_computes_one_long_batch_is_busy_for_some_seconds(
    error: ServingError, takes_s: float
) -> None:
    server = Server()
    asked = prober(server)
    assert asked.probe().kind == "ok"
    server.error, server.takes_s, server.cpu_share = error, takes_s, 0.1
    kinds = []
    for _ in range(20):
        server.now_s += 1.0
        kinds.append(asked.probe().kind)
    last = len(kinds) - kinds[::-1].index("busy")
    assert 5.0 < last * (1.0 + takes_s) < 15.0, "an endless loop computes too"
    assert "busy" not in kinds[last:]
    server.grows = 1
    server.computed += 1
    assert asked.probe().kind == "busy", "it has finished a batch"


def test_models_outside_the_contracts_are_asked_whether_they_are_ready() -> None:
    server = Server()
    assert prober(server, "somebody_elses").probe().good
    server.error = ServingError("down")
    assert not prober(server, "somebody_elses").probe().good


def test_streaming_models_are_asked_in_a_stream() -> None:
    server = Server()
    assert prober(server, "generate_stream").probe().good
    server.error = ServingError("Stub process 'generate_stream_0_0' is not healthy.")
    assert prober(server, "generate_stream").probe().kind == "stub"
    server.error = None
    # Over HTTP, the way with TLS, decoupled models do not answer: readiness is all there is.
    server.streams = False
    assert prober(server, "generate_stream").probe().good
    server.error = ServingError("gone")
    assert not prober(server, "generate_stream").probe().good


def test_an_ensemble_is_not_blamed_for_its_step() -> None:
    servers = {"quality": Server(), "quality_net": Server()}
    board = HealthBoard()
    board.expect(servers)
    with ThreadPoolExecutor() as pool:
        watches = ModelWatches(
            {name: ModelWatch(prober(server, name), pool) for name, server in servers.items()},
            {"quality": ("quality_net",)},
            SupervisorOptions(),
            board,
        )
        for server in servers.values():
            server.error = ServingError("internal")
        faults: dict[str, Fault] = {}
        wait_until(
            lambda: bool(faults.update({f.model: f for f in watches.poll()})) or len(faults) == 2
        )
        assert [f.model for f in watches.without_innocent(list(faults.values()))] == ["quality_net"]
        assert watches.dependants_of("quality_net") == ["quality"]
        assert board.is_healthy("quality") is False


def test_what_a_model_calls_comes_with_it() -> None:
    steps = {"optimize": ("enhance",), "enhance": ("net", "quality"), "quality": ("net",)}
    assert with_steps(["optimize"], lambda model: steps.get(model, ())) == (
        "optimize",
        "enhance",
        "net",
        "quality",
    )


STUB = """
import time
sum(range(3_000_000))  # Some CPU time, which some tests want to see.
time.sleep(600)
"""


@pytest.fixture
def start_stub(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts processes that look like a stub of this process's server."""
    program = tmp_path / "triton_python_backend_stub"
    program.symlink_to(sys.executable)
    (tmp_path / "net" / "1").mkdir(parents=True)
    script = tmp_path / "net" / "1" / "model.py"
    script.write_text(STUB)
    arguments = ["region", "1", "1", str(os.getpid()), "dir", "1", "net_0_0"]
    children = []

    def start() -> subprocess.Popen[bytes]:
        children.append(subprocess.Popen([str(program), str(script), *arguments]))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.wait()


@pytest.fixture
def stub(start_stub: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """One of them."""
    return start_stub()


def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGKILL, "died"), (signal.SIGSTOP, "is stopped")]
)
def test_stub_that_died_or_stopped(
    stub: subprocess.Popen[bytes], number: signal.Signals, words: str
) -> None:
    census = StubCensus(os.getpid())
    wait_until(lambda: not census.look() and census.pids_of("net") == (stub.pid,))
    stub.send_signal(number)
    found: list[Fault] = []
    wait_until(lambda: bool(found.extend(census.look())) or bool(found))
    assert found[0] == Fault(
        model="net", kind="stub", reason=f"stub process {stub.pid} {words}", pids=(stub.pid,)
    )
    assert census.end(found[0].pids) == ["region"]
    assert stub.wait(60) == -signal.SIGKILL
    assert not census.look()


def test_cpu_time_of_stubs_tells_work_from_hanging(stub: subprocess.Popen[bytes]) -> None:
    census = StubCensus(os.getpid())
    wait_until(lambda: not census.look() and bool(census.pids_of("net")))
    wait_until(lambda: census.cpu_seconds(["another", "net"]) > 0)
    stub.send_signal(signal.SIGSTOP)
    wait_until(lambda: process_state(stub.pid) == "T")
    used_s = census.cpu_seconds(["net"])
    time.sleep(0.1)
    assert census.cpu_seconds(["net"]) == used_s > 0
    assert census.cpu_seconds(["another"]) == 0


def test_stub_that_was_unloaded_is_no_fault(stub: subprocess.Popen[bytes]) -> None:
    census = StubCensus(os.getpid())
    wait_until(lambda: not census.look() and bool(census.pids_of("net")))
    stub.kill()
    stub.wait()  # As Triton does.
    assert not census.look()
    assert not census.pids_of("net")


def test_a_process_that_dies_as_soon_as_it_was_loaded_is_missed(
    start_stub: Callable[[], subprocess.Popen[bytes]],
) -> None:
    """What has died before it was found has no command line, and is nobody's."""
    loaded: list[subprocess.Popen[bytes]] = []

    class Control:
        def unload(self, *_: object) -> None:
            """Nothing was loaded."""

        def load(self, *_: object) -> None:
            loaded.append(start_stub())
            wait_until(lambda: any(stub.pid == loaded[0].pid for stub in find_stubs()))

    class Prober:
        model, pause_s = "net", 1.0

        def probe(self) -> ProbeResult:
            return ProbeResult(kind="ok")

    options = SupervisorOptions()
    with ThreadPoolExecutor(1) as pool:
        net = ModelWatch(cast("ModelProber", Prober()), pool)
        watches = ModelWatches({"net": net}, {}, options, HealthBoard(lambda *_: None))
        census, metrics = StubCensus(os.getpid()), SupervisorMetrics()
        control = cast("Endpoint", Control())
        mender = Mender(control, census, watches, options, metrics, lambda _: None)
        assert not census.look()
        assert mender.mend(Fault(model="net", kind="stub", reason="died"))
    loaded[0].kill()
    wait_until(lambda: process_state(loaded[0].pid) == "Z")
    assert not census.look()
    assert [fault.pids for fault in census.look()] == [(loaded[0].pid,)]


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_counters_that_alerts_watch_begin_at_zero() -> None:
    """Prometheus' increase() does not see the first event of a series that begins with it."""
    metrics = SupervisorMetrics()
    metrics.expect(["quality", "enhance"], {"enhance": 8})
    text = metrics.text(ready=True).decode()
    for reason in ("ended", "stopped", "unreachable", "unmendable"):
        assert f'packshot_server_restarts_total{{reason="{reason}"}} 0.0' in text
    for kind in ("stub", "probe"):
        assert f'packshot_model_faults_total{{kind="{kind}",model="quality"}} 0.0' in text
    assert 'packshot_queue_size{model="enhance"} 8.0' in text


def test_health_endpoint() -> None:
    (port,) = free_ports(1)
    metrics = SupervisorMetrics()
    board = HealthBoard(metrics.note_health)

    def text() -> bytes:
        return metrics.text(ready=board.is_ready())

    with HealthEndpoint(board, text, host="127.0.0.1", port=port):
        assert get(port, "/health/live")[0] == 200
        assert get(port, "/health/ready")[0] == 503, "nothing is proved yet"
        board.expect(["a", "b"])
        board.set_state("serving")
        board.mark("a")
        assert get(port, "/health/models/a")[0] == 200
        assert get(port, "/health/models/b")[0] == 503
        assert get(port, "/health/models/c")[0] == 404
        assert get(port, "/health/ready")[0] == 503
        board.mark("b")
        assert get(port, "/health/ready")[0] == 200
        assert b"packshot_ready 1.0" in get(port, "/metrics")[1]
        board.mark("b", "stub process 1 died")
        status, body = get(port, "/health/ready")
        assert status == 503
        assert b"stub process 1 died" in body
        assert b'packshot_model_healthy{model="b"} 0.0' in get(port, "/metrics")[1]
        board.mark("b")
        board.set_state("draining")
        assert get(port, "/health/ready")[0] == 503
        assert get(port, "/health/live")[0] == 200
        board.set_state("given up")
        assert get(port, "/health/live")[0] == 503


def test_health_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(PortInUseError, match="--health-port"):
            HealthEndpoint(HealthBoard(), bytes, host="127.0.0.1", port=port)
