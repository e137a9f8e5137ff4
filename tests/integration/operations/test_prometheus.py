"""Prometheus on a live replica: what panels and rules ask for exists, and faults raise alerts."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from packshot.serving.ports import free_ports

DOCKER = Path(__file__).parents[3] / "docker"
NEEDS_GPU_OR_CACHE = re.compile(r"nv_gpu_\w+|nv_cache_\w+")
METRIC = re.compile(r"\b(?:nv|packshot)_\w+")

pytestmark = pytest.mark.timeout(600)


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


@pytest.fixture
def prometheus(replica: Any, tmp_path: Path, wait: Any) -> Iterator[int]:
    """A Prometheus with the shipped rules, quicker, on one replica."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus: apt-get install prometheus")
    rules = (DOCKER / "prometheus" / "rules.yaml").read_text()
    (tmp_path / "rules.yaml").write_text(re.sub(r"for: \d+[sm]", "for: 1s", rules))
    jobs = {"triton": replica.metrics, "supervisor": replica.health}
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            for name, port in jobs.items()
        ],
    }
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    command = [program, f"--config.file={tmp_path}/prometheus.yaml"]
    command += [f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait(lambda: has(port, 'count(up{job="supervisor"} == 1)'))
        yield port
    finally:
        process.terminate()
        process.wait(30)


def has(port: int, query: str) -> bool:
    try:
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": query})
        return bool(json.loads(fetched(port, path))["data"]["result"])
    except (OSError, ValueError):
        return False


def firing(port: int, alert: str) -> bool:
    return has(port, f'ALERTS{{alertname="{alert}",alertstate="firing"}}')


def has_fired(port: int, alert: str) -> bool:
    return has(port, f'count_over_time(ALERTS{{alertname="{alert}",alertstate="firing"}}[5m])')


def test_real_faults_raise_alerts(prometheus: int, replica: Any, put_load: Any, wait: Any) -> None:
    wait(lambda: not firing(prometheus, "PackshotNoReplicaReady"))
    load = put_load([replica.address])
    with load.running():
        wait(lambda: has(prometheus, "packshot:queue_ms:mean5m"))
        for number in (1, 2):
            os.kill(replica.stubs("decode_image")[0].pid, signal.SIGKILL)
            wait(lambda n=number: replica.counter("packshot_model_mends_total") >= n)
            wait(replica.is_ready)
        for alert in ("PackshotModelsKeepBreaking", "PackshotErrorBudgetBurnsFast"):
            wait(lambda alert=alert: has_fired(prometheus, alert))
        os.kill(replica.tritonserver(), signal.SIGKILL)
        # Over the last minutes: the replica mends itself quicker than one alert waits for another.
        for alert in ("PackshotModelBroken", "PackshotNoReplicaReady", "PackshotServerRestarted"):
            wait(lambda alert=alert: has_fired(prometheus, alert))
    wait(replica.is_ready)
    replica.stop()
    wait(lambda: firing(prometheus, "PackshotReplicaDown"))
