"""Prometheus on a live replica: what panels and rules ask for exists, and faults raise alerts."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import yaml
from tritonclient.utils import InferenceServerException

from packshot.serving.ports import free_ports

DOCKER = Path(__file__).parents[3] / "docker"
NEEDS_GPU_OR_CACHE = re.compile(r"nv_gpu_\w+|nv_cache_\w+")
METRIC = re.compile(r"\b(?:nv|packshot)_\w+")
GPU_MEMORY_BYTES = 80 * 2**30
RAISED_BY = {
    "killed stubs": ("PackshotModelsKeepBreaking",),
    "a killed server": ("PackshotModelBroken", "PackshotServerRestarted"),
    "a killed stub that nobody replaces": (
        "PackshotErrorBudgetBurnsFast",
        "PackshotErrorBudgetBurnsSlowly",
    ),
    "overload": ("PackshotRejecting", "PackshotLatencyHigh", "PackshotQueueGrowing"),
    "a full GPU": ("PackshotGpuMemoryLow",),
    "a replica that is gone": ("PackshotReplicaDown", "PackshotNoReplicaReady"),
}
"""Every alert, by what raises it here."""
PATIENCE_S = 60
CALLS_AT_ONCE = 1000
"""More than the queues of all models hold together."""


@pytest.fixture(scope="module")
def replica(start_replica: Any, wait: Any) -> Any:
    started = start_replica()
    wait(started.is_ready)
    return started


def fetched(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with closing(connection):
        connection.request("GET", path)
        return connection.getresponse().read().decode()


def asked_for() -> set[str]:
    """Every metric that a panel or a rule names."""
    texts = [
        target["expr"]
        for file in (DOCKER / "grafana" / "dashboards").glob("*.json")
        for panel in json.loads(file.read_text())["panels"]
        for target in panel["targets"]
    ]
    rules = yaml.safe_load((DOCKER / "prometheus" / "rules.yaml").read_text())
    texts += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return {name for text in texts for name in METRIC.findall(text)}


def test_every_panel_and_rule_names_a_metric_that_is_exposed(
    replica: Any, put_load: Any, wait: Any
) -> None:
    load = put_load([replica.address])
    with load.running():
        wait(lambda: len(load.scores) > 3)
    exposed = fetched(replica.metrics, "/metrics") + fetched(replica.health, "/metrics")
    # Names with labels that nothing has had yet show in the HELP lines only.
    names = set(re.findall(r"^(?:# HELP )?(\w+)", exposed, re.M))
    names |= {f"{name}_bucket" for name in names} | {f"{name}_total" for name in names}
    missing = {name for name in asked_for() - names if not NEEDS_GPU_OR_CACHE.fullmatch(name)}
    assert not missing


@contextlib.contextmanager
def flood(address: str, photo: bytes) -> Iterator[list[str]]:
    """Calls that many callers make at once, every second; gives what was refused."""
    refused: list[str] = []
    ending = threading.Event()
    free = threading.Semaphore(CALLS_AT_ONCE)
    tensor = triton_grpc.InferInput("IMAGE", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[photo]], dtype=np.object_))

    def answered(**answer: Any) -> None:
        if answer["error"] is not None:
            refused.append(str(answer["error"]))
        free.release()

    def call() -> None:
        while not ending.wait(1.0):
            # No more: refusing them all as fast as it can would leave the server no time to answer.
            for _ in range(CALLS_AT_ONCE):
                if free.acquire(blocking=False):
                    client.async_infer("quality", [tensor], answered, client_timeout=30)
        for _ in range(CALLS_AT_ONCE):
            free.acquire()

    with triton_grpc.InferenceServerClient(address) as client:
        caller = threading.Thread(target=call)
        caller.start()
        try:
            yield refused
        finally:
            ending.set()
            caller.join()


class GpuExporter:
    """What Triton's metrics say of a GPU, for a machine that has none: the same lines."""

    def __init__(self) -> None:
        self.used_share = 0.5
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = exporter.page().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def page(self) -> str:
        values = {"total": GPU_MEMORY_BYTES, "used": GPU_MEMORY_BYTES * self.used_share}
        return "".join(
            f"# HELP nv_gpu_memory_{what}_bytes GPU {what} memory, in bytes\n"
            f"# TYPE nv_gpu_memory_{what}_bytes gauge\n"
            f'nv_gpu_memory_{what}_bytes{{gpu_uuid="GPU-0e9fdafb-5adb-91cd-26a8-308d34357efc"}} '
            f"{value:f}\n"
            for what, value in values.items()
        )


@pytest.fixture(scope="module")
def gpu() -> Iterator[GpuExporter]:
    exporter = GpuExporter()
    thread = threading.Thread(target=exporter.server.serve_forever)
    thread.start()
    yield exporter
    exporter.server.shutdown()
    exporter.server.server_close()
    thread.join()


@dataclass(frozen=True)
class Prometheus:
    """A running one, asked over HTTP."""

    port: int

    def has(self, query: str) -> bool:
        try:
            path = "/api/v1/query?" + urllib.parse.urlencode({"query": query})
            return bool(json.loads(fetched(self.port, path))["data"]["result"])
        except (OSError, ValueError):
            return False

    def firing(self, alert: str) -> bool:
        return self.has(f'ALERTS{{alertname="{alert}",alertstate="firing"}}')

    def fired_since(self, moment: float, alert: str) -> bool:
        """Whether it has fired: what mends itself may be over before anybody looks."""
        seconds = math.ceil(time.time() - moment)
        fired = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
        return self.has(f"count_over_time({fired}[{seconds}s])")


@pytest.fixture(scope="module")
def prometheus(
    replica: Any, gpu: GpuExporter, tmp_path_factory: pytest.TempPathFactory, wait: Any
) -> Iterator[Prometheus]:
    """A Prometheus with the shipped rules on one replica; alerts wait a second, not minutes."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus: apt-get install prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    rules = (DOCKER / "prometheus" / "rules.yaml").read_text()
    (folder / "rules.yaml").write_text(re.sub(r"for: \d+[sm]", "for: 1s", rules))
    jobs = {
        "triton": replica.metrics,
        "supervisor": replica.health,
        "gpu": gpu.server.server_port,
    }
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            for name, port in jobs.items()
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    command = [program, f"--config.file={folder}/prometheus.yaml"]
    command += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started = Prometheus(port)
    try:
        wait(lambda: started.has('count(up{job="supervisor"} == 1)'))
        yield started
    finally:
        process.terminate()
        process.wait(30)


def test_every_alert_has_a_fault_here() -> None:
    rules = yaml.safe_load((DOCKER / "prometheus" / "rules.yaml").read_text())
    alerts = [
        rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule
    ]
    assert sorted(alerts) == sorted(alert for raised in RAISED_BY.values() for alert in raised)


def test_bad_photos_are_no_failures_of_ours(
    prometheus: Prometheus, replica: Any, put_load: Any, photo_files: dict[str, bytes], wait: Any
) -> None:
    """Nor is a wrong policy, which is refused after all has been computed."""
    load = put_load([replica.address])
    wait(lambda: prometheus.has('packshot_errors_total{model="quality"} == 0'))
    with load.running(), triton_grpc.InferenceServerClient(replica.address) as client:
        wait(lambda: len(load.scores) > 3)
        for _ in range(20):
            refused_as_invalid(client, IMAGE=b"no picture")
            refused_as_invalid(client, IMAGE=photo_files["rocket"], POLICY=b"no policy")
        refused = 'packshot_errors_total{model="quality",code="INVALID_ARG"}'
        wait(lambda: prometheus.has(f"{refused} == 40"), what="the count of 40")
        counted = time.time()
        wait(lambda: prometheus.has(f"timestamp(packshot:failures:rate5m) > {counted}"))
    assert prometheus.has(f"rate({refused}[5m]) > 0.1")
    assert prometheus.has("packshot:failures:rate5m < 0.02")


def refused_as_invalid(client: triton_grpc.InferenceServerClient, **inputs: bytes) -> None:
    tensors = []
    for name, value in inputs.items():
        tensors.append(triton_grpc.InferInput(name, [1, 1], "BYTES"))
        tensors[-1].set_data_from_numpy(np.array([[value]], dtype=np.object_))
    with pytest.raises(InferenceServerException) as caught:
        client.infer("quality", tensors, client_timeout=PATIENCE_S)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_killed_processes_raise_alerts(
    prometheus: Prometheus, replica: Any, put_load: Any, wait: Any
) -> None:
    wait(lambda: not prometheus.firing("PackshotNoReplicaReady"))
    began = time.time()
    load = put_load([replica.address])
    with load.running():
        # Rates need a value from before the fault.
        wait(lambda: prometheus.has("packshot:queue_ms:mean5m"))
        (alert,) = RAISED_BY["killed stubs"]
        known: set[int] = set()
        for number in (1, 2):
            # A new one each time: those that a mend has replaced live on for some seconds.
            stubs = [stub.pid for stub in replica.stubs("quality")]
            os.kill(next(pid for pid in stubs if pid not in known), signal.SIGKILL)
            known.update(stubs)
            # On a busy machine a mend may take too long, and the server is started anew.
            mended = "packshot_(model_mends|server_restarts)_total"
            wait(lambda n=number, mended=mended: replica.counter(mended) >= n)
            wait(replica.is_ready)
        wait(lambda: prometheus.fired_since(began, alert))
        # More than once: it may be back before an alert has waited for its second.
        alerts = RAISED_BY["a killed server"]
        restarts = "packshot_server_restarts_total"
        for _ in range(3):
            before = replica.counter(restarts)
            os.kill(replica.tritonserver(), signal.SIGKILL)
            wait(lambda before=before: replica.counter(restarts) > before)
            wait(replica.is_ready)
            if all(prometheus.fired_since(began, alert) for alert in alerts):
                break
        for alert in alerts:
            wait(lambda alert=alert: prometheus.fired_since(began, alert))


def test_failed_calls_raise_alerts(
    prometheus: Prometheus, replica: Any, put_load: Any, wait: Any, freeze_process: Any
) -> None:
    """A process of the model dies while the supervisor hangs, which would have replaced it."""
    began = time.time()
    load = put_load([replica.address])
    with load.running():
        answered = len(load.scores)
        wait(lambda: len(load.scores) > answered)
        freeze_process(replica.process.pid)
        try:
            # Those that a mend has replaced live on for some seconds: all but one are killed.
            for stub in replica.stubs("quality")[:-1]:
                os.kill(stub.pid, signal.SIGKILL)
            for alert in RAISED_BY["a killed stub that nobody replaces"]:
                wait(lambda alert=alert: prometheus.fired_since(began, alert), what=alert)
        finally:
            replica.process.send_signal(signal.SIGCONT)
    assert load.failed, "every call was answered"
    wait(replica.is_ready)


def test_more_calls_than_are_computed_raise_alerts(
    prometheus: Prometheus, replica: Any, photo_files: dict[str, bytes], wait: Any
) -> None:
    assert not prometheus.firing("PackshotRejecting")
    began = time.time()
    with flood(replica.address, photo_files["rocket"]) as refused:
        for alert in RAISED_BY["overload"]:
            # Has fired: where the metrics of a busy server come late, an alert goes and comes.
            wait(lambda alert=alert: prometheus.fired_since(began, alert), what=alert)
    assert refused, "no queue was full"
    wait(replica.is_ready)


def test_a_gpu_whose_memory_fills_raises_an_alert(
    prometheus: Prometheus, gpu: GpuExporter, wait: Any
) -> None:
    """By a stand-in for the GPU's metrics: what can be shown on a machine without one."""
    (alert,) = RAISED_BY["a full GPU"]
    wait(lambda: prometheus.has("nv_gpu_memory_used_bytes"))
    assert not prometheus.firing(alert)
    gpu.used_share = 0.95
    wait(lambda: prometheus.firing(alert))
    gpu.used_share = 0.5
    wait(lambda: not prometheus.firing(alert))


def test_a_replica_that_is_gone_raises_alerts(
    prometheus: Prometheus, replica: Any, wait: Any
) -> None:
    """Last: the replica does not come back."""
    wait(lambda: not any(map(prometheus.firing, RAISED_BY["a replica that is gone"])))
    replica.stop()
    for alert in RAISED_BY["a replica that is gone"]:
        wait(lambda alert=alert: prometheus.firing(alert))
