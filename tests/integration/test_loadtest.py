"""packshot-loadtest on live servers: exact counts, honest latencies, right answers, exit codes.

The server is real Triton; its model answers at once (with a score that depends on the photo
alone), so that what is tested is the load test and not the network.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import urllib3

from packshot.contracts import QUALITY_VERDICT
from packshot.imaging import facts_to_json, prepare
from packshot.serving.backend import bytes_tensor
from packshot.serving.options import ServerConfig
from packshot.serving.ports import free_ports
from packshot.serving.process import TritonProcess
from packshot.serving.quality_verdict import QualityVerdict
from packshot.serving.stage_context import StageContext
from packshot_loadtest import cli
from packshot_loadtest.arrivals import Pattern
from packshot_loadtest.execution import execute
from packshot_loadtest.generator.calls import Target
from packshot_loadtest.generator.launch import GeneratorOptions
from packshot_loadtest.results.outcomes import Outcome
from packshot_loadtest.results.result import read_result
from packshot_loadtest.server_time import read_model_times
from packshot_loadtest.settings import RunSettings

CONFIG = """
name: "quality"
backend: "python"
max_batch_size: 32
input [
  { name: "IMAGE" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "POLICY" data_type: TYPE_STRING dims: [ 1 ] optional: true }
]
output [
  { name: "SCORE" data_type: TYPE_FP32 dims: [ 1 ] },
  { name: "ATTRIBUTES" data_type: TYPE_FP32 dims: [ 8 ] },
  { name: "VERDICT" data_type: TYPE_STRING dims: [ 1 ] }
]
instance_group [ { kind: KIND_CPU count: 1 } ]
dynamic_batching { max_queue_delay_microseconds: @DELAY_US@ }
"""

MODEL = """
import hashlib
import json
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

VERDICT = json.loads((Path(__file__).parent / "verdict.json").read_text("utf-8"))


class TritonPythonModel:
    def execute(self, requests):
        batches = [pb_utils.get_input_tensor_by_name(r, "IMAGE").as_numpy()[:, 0] for r in requests]
        digests = [hashlib.sha256(photo).digest() for batch in batches for photo in batch]
        if @MIX_UP@:
            digests = digests[1:] + digests[:1]
        answers = iter(digests)
        return [self.answer([next(answers) for _ in batch]) for batch in batches]

    def answer(self, digests):
        parts = [[byte / 255 for byte in digest[1:9]] for digest in digests]
        verdicts = []
        for digest, own in zip(digests, parts):
            attributes = dict(zip(VERDICT["attributes"], own))
            verdict = {**VERDICT, "score": digest[0] / 2.55, "attributes": attributes}
            verdicts.append([json.dumps(verdict).encode()])
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("SCORE", np.array([[d[0] / 2.55] for d in digests], np.float32)),
                pb_utils.Tensor("ATTRIBUTES", np.array(parts, np.float32)),
                pb_utils.Tensor("VERDICT", np.array(verdicts, object)),
            ]
        )
"""

GENEROUS_MS = 5000.0
"""Allowed lag of the generator: machines that run tests are busy."""


def verdict_json(photo: bytes) -> str:
    """A verdict as the real stage writes it."""
    inputs: dict[str, Any] = {
        tensor.name: np.full((1, *tensor.shape), 0.5, np.float32)
        for tensor in QUALITY_VERDICT.inputs
        if tensor.dtype == "FP32"
    }
    inputs["FACTS"] = bytes_tensor([facts_to_json(prepare(photo).facts).encode()])
    stage = QualityVerdict(StageContext(version_directory=Path(), parameters={}))
    (answer,) = stage.execute([inputs])
    assert not isinstance(answer, Exception)
    return bytes(answer["VERDICT"][0, 0]).decode()


@pytest.fixture(scope="module")
def quick_repository(
    tmp_path_factory: pytest.TempPathFactory, photo_files: dict[str, bytes]
) -> Callable[..., Path]:
    """Makes model repositories whose only model answers at once."""

    def make(*, mix_up: bool = False, delay_us: int = 0) -> Path:
        folder = tmp_path_factory.mktemp("repository")
        version = folder / "quality" / "1"
        version.mkdir(parents=True)
        config = CONFIG.replace("@DELAY_US@", str(delay_us))
        (version.parent / "config.pbtxt").write_text(config)
        (version / "model.py").write_text(MODEL.replace("@MIX_UP@", str(mix_up)))
        (version / "verdict.json").write_text(verdict_json(photo_files["coffee"]), "utf-8")
        return folder

    return make


@pytest.fixture(scope="module")
def quick(quick_repository: Callable[..., Path]) -> Iterator[TritonProcess]:
    """A live server that answers at once."""
    with TritonProcess(config_of(quick_repository())) as server:
        yield server


def config_of(repository: Path) -> ServerConfig:

    return ServerConfig.on_free_ports(repository)


def settings_for(server: TritonProcess, **changes: Any) -> RunSettings:
    config = server.config
    target = Target(
        grpc=server.grpc_address, http=f"{config.local_host}:{config.http_port}", timeout_s=20
    )
    settings = RunSettings(
        target=target,
        pattern=Pattern(shape="constant", rate=20),
        duration_s=3,
        warmup_s=1,
        max_lag_ms=GENEROUS_MS,
    )
    return dataclasses.replace(settings, **changes)


@pytest.mark.parametrize("processes", [0, 2])
def test_every_planned_request_is_sent_once(quick: TritonProcess, processes: int) -> None:
    settings = settings_for(quick, mix="score=5,score@http=4,page=1")
    result = execute(
        settings,
        options=GeneratorOptions(processes=processes),
        metrics=f"{quick.config.local_host}:{quick.config.metrics_port}",
        server_pid=lambda: quick.pid,
    )
    assert result.valid, result.generator["reasons"]
    totals = result.summary["all"]
    assert totals["planned"] == totals["sent"] == totals["outcomes"]["ok"] == 60
    assert len(set(result.samples["worker"])) == max(1, processes)
    # Different workers never send the same arrival: due times are 50 ms apart.
    np.testing.assert_allclose(np.diff(result.samples["due_s"]), 0.05, atol=1e-3)
    assert result.exit_code == 0
    served = result.server_series
    assert sum(served["batch_sizes"]["quality"].values()) > 0
    assert max(served["process"]["memory_bytes"]) > 2**20


def test_a_closed_loop_asks_one_after_the_other(quick: TritonProcess) -> None:
    result = execute(settings_for(quick, pattern=None, users=2, duration_s=2))
    assert result.valid
    assert result.summary["all"]["outcomes"]["ok"] == len(result.samples) > 2
    assert (result.samples["lag_us"] < GENEROUS_MS * 1000).all()


def test_a_stall_of_the_server_is_in_the_tail(quick: TritonProcess) -> None:
    """Coordinated omission: a second of silence must be felt by all that was due in it."""

    def stall(seconds: float) -> None:
        if seconds > 1.2 and not stalled:
            stalled.append(True)
            threading.Thread(target=pause, args=(quick.pid, 1.2)).start()

    stalled: list[bool] = []
    settings = settings_for(quick, pattern=Pattern(shape="constant", rate=40), duration_s=4)
    result = execute(settings, on_tick=stall)
    assert stalled
    assert result.summary["all"]["outcomes"]["ok"] == 160
    latencies_s = result.samples["latency_us"] / 1e6
    # Of 160, some 48 were due during the stall, half of these in its first half.
    assert (latencies_s > 0.6).sum() >= 15
    assert result.summary["all"]["latency_ms"]["p99"] > 900


def pause(group: int, seconds: float) -> None:
    os.killpg(group, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.killpg(group, signal.SIGCONT)


def test_a_mixed_up_batch_is_caught(quick_repository: Callable[..., Path]) -> None:
    repository = quick_repository(mix_up=True, delay_us=200_000)
    with TritonProcess(config_of(repository)) as server:
        result = execute(settings_for(server, pattern=Pattern(shape="constant", rate=30)))
    assert result.wrong_answers > 10
    assert result.exit_code == 1
    assert "wrong answers" in result.verdict


def test_a_server_that_dies_is_counted_not_lost(quick_repository: Callable[..., Path]) -> None:
    with TritonProcess(config_of(quick_repository())) as server:
        answered: list[int] = []

        def is_time() -> bool:
            # Twenty of them are the warm-up's.
            return bool(answered) and answered[-1] > answered[0] + 30

        def kill(_: float) -> None:
            if not is_time():
                answered.append(read_model_times(server.grpc_address)["quality"].inferences)
                if is_time():
                    os.killpg(server.pid, signal.SIGKILL)

        result = execute(settings_for(server, duration_s=5), on_tick=kill)
    outcomes = result.summary["all"]["outcomes"]
    assert outcomes["ok"] > 0
    assert outcomes["unavailable"] > 0
    assert sum(outcomes.values()) == 100


def run_cli(*arguments: str) -> int:
    """Exit code of ``packshot-loadtest`` in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["packshot-loadtest", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return int(ended.value.code or 0)


def quick_arguments(server: TritonProcess) -> list[str]:
    config = server.config
    return [
        "run",
        f"--address={server.grpc_address}",
        f"--http={config.local_host}:{config.http_port}",
        f"--metrics={config.local_host}:{config.metrics_port}",
        "--warmup=1s",
        "--max-lag=5s",
        "--timeout=20s",
    ]


def test_objectives_decide_the_exit_code(
    quick: TritonProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slo = tmp_path / "slo.toml"
    arguments = [*quick_arguments(quick), "--rate=15", "--duration=2s", f"--slo={slo}"]
    slo.write_text("[all]\np99_ms = 30000\nmax_error_share = 0\n")
    out = tmp_path / "report"
    assert run_cli(*arguments, f"--out={out}") == 0
    assert {p.suffix for p in out.iterdir()} == {".html", ".json", ".csv", ".png"}
    assert (out / "locust.html").exists()
    assert read_result(out / "result.json").met
    slo.write_text("[all]\np50_ms = 0.001\n")
    assert run_cli(*arguments) == 1
    assert "MISSED" in capsys.readouterr().out


def test_ctrl_c_still_writes_the_report(quick: TritonProcess, tmp_path: Path) -> None:
    # A shell starts background jobs with SIGINT ignored, and that is inherited.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code += "; from packshot_loadtest.cli import main; main()"
    program = [sys.executable, "-c", code]
    arguments = [*quick_arguments(quick), "--rate=10", "--duration=10m", f"--out={tmp_path}"]
    process = subprocess.Popen([*program, *arguments], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "requests in" in line:
            break
    before = read_model_times(quick.grpc_address)["quality"].inferences
    deadline = time.monotonic() + 200
    while read_model_times(quick.grpc_address)["quality"].inferences < before + 40:
        assert time.monotonic() < deadline, "the load never began"
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=200)
    assert process.returncode == 130
    result = read_result(tmp_path / "result.json")
    assert result.interrupted
    assert 0 < len(result.samples) < 2000
    assert (result.samples["outcome"] == Outcome.OK).all()


@pytest.mark.parametrize("processes", [0, 2])
def test_start_and_stop_of_locusts_page(
    quick: TritonProcess, tmp_path: Path, processes: int
) -> None:
    (port,) = free_ports(1)
    program = [sys.executable, "-c", "from packshot_loadtest.cli import main; main()"]
    arguments = [*quick_arguments(quick), "--rate=10", "--duration=10m", f"--web={port}"]
    arguments += [f"--processes={processes}", f"--json={tmp_path / 'result.json'}"]
    page = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([*program, *arguments])
    try:
        until(lambda: urllib3.request("GET", page).status == 200)
        until(lambda: len(locust_stats(page)["workers"]) == processes)
        urllib3.request("POST", f"{page}/swarm", fields={"host": ""})
        # Ten of them are the warm-up's.
        until(lambda: locust_stats(page)["stats"][-1]["num_requests"] > 20)
        urllib3.request("POST", f"{page}/stop")
        process.wait(timeout=200)
    finally:
        process.kill()
    # Stopped early as by Ctrl-C; what was not due yet is no error.
    assert process.returncode == 130
    result = read_result(tmp_path / "result.json")
    totals = result.summary["all"]
    assert result.valid, result.generator["reasons"]
    assert 10 <= totals["planned"] == totals["outcomes"]["ok"] < 2000


def test_a_benchmark_that_is_told_to_stop_takes_its_server_along(repository: Path) -> None:
    program = [sys.executable, "-c", "from packshot_loadtest.bench import main; main()"]
    arguments = [f"--repository={repository}", "--seconds=600"]
    process = subprocess.Popen([*program, *arguments])
    bench = psutil.Process(process.pid)
    until(lambda: any("packshot_loadtest.inprocess" in own.cmdline() for own in bench.children()))
    started = bench.children(recursive=True)
    assert any("tritonserver" in own.name() for own in started)
    process.terminate()
    assert process.wait(timeout=200) == 130
    _, alive = psutil.wait_procs(started, timeout=60)
    assert not alive


def until(condition: Callable[[], bool]) -> None:
    """Wait, patiently, until it holds; a page or a process that is not there is no failure."""
    deadline = time.monotonic() + 200
    while True:
        with contextlib.suppress(urllib3.exceptions.HTTPError, psutil.Error):
            if condition():
                return
        assert time.monotonic() < deadline
        time.sleep(0.2)


def locust_stats(page: str) -> dict[str, Any]:
    stats: dict[str, Any] = urllib3.request("GET", f"{page}/stats/requests").json()
    return {"workers": [], **stats}


def test_a_generator_that_lags_makes_no_valid_run(quick: TritonProcess) -> None:
    arguments = [*quick_arguments(quick)[:-2], "--rate=20", "--duration=2s", "--warmup=0s"]
    # No generator starts a request within a microsecond of its time.
    assert run_cli(*arguments, "--max-lag=0.001ms") == 3


BAD_INPUT = {
    "unreachable": (["--address=127.0.0.1:9", "--rate=5"], 4, "nobody answers at 127.0.0.1:9"),
    "unknown model": (["--rate=5", "--mix=pixels"], 5, "no ready model 'quality_net'"),
    "no photos": (["--rate=5", "--photos={empty}"], 6, "no photos"),
    "wrong key": (["--rate=5", "--slo={slo}"], 7, "unknown key 'p98_ms'"),
    "back in time": (["--trace={trace}"], 8, "goes back in time"),
    "too fast": (["--rate=200000", "--duration=1s"], 9, "can send about"),
    "no load": ([], 2, "give a --rate"),
    "wrong time": (["--rate=5", "--duration=soon"], 2, "expected a time"),
    "wrong address": (["--address=nowhere", "--rate=5"], 2, "must be host:port"),
}


@pytest.mark.parametrize(("extra", "code", "says"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_says_so_at_once(
    quick: TritonProcess,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    extra: list[str],
    code: int,
    says: str,
) -> None:
    places = {name: tmp_path / name for name in ("empty", "slo", "trace")}
    places["empty"].mkdir()
    places["slo"].write_text("[all]\np98_ms = 3\n")
    places["trace"].write_text("seconds,kind\n2,score\n1,score\n")
    arguments = [part.format(**places) for part in extra]
    assert run_cli(*quick_arguments(quick), *arguments) == code
    assert says in " ".join(capsys.readouterr().err.split())


def test_comparing_what_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    assert run_cli("compare", str(tmp_path / "x.json"), str(tmp_path / "x.json")) == 11


def test_importing_patches_nothing() -> None:
    code = (
        "import socket, json, sys; before = socket.socket\n"
        "import packshot_loadtest.cli\n"
        "print(json.dumps([socket.socket is before, 'locust' in sys.modules]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert json.loads(result.stdout) == [True, False]
