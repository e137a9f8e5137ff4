"""Real Triton servers with canned models: cheap to start, to kill, to freeze and to slow down."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from packshot.contracts import ATTRIBUTES
from packshot.serving.options import ServerConfig
from packshot.serving.process import TritonProcess
from packshot_client import CallEvent, ClientError, PackshotClient

VERDICT = {
    "schema": 1,
    "decision": "accept",
    "policy": "default",
    "uncertainty": 4.0,
    "grade": "high",
    "worst_attribute": "noise",
    "reasons": [],
    "advice": [],
    "image": {
        "format": "JPEG",
        "width": 640,
        "height": 480,
        "bytes": 1000,
        "megapixels": 0.3,
        "color_mode": "RGB",
        "animated": False,
        "has_alpha": False,
        "orientation": 1,
        "icc_converted": False,
        "composition": {
            "score": 0.7,
            "background_plain": True,
            "background_uniformity": 0.9,
            "background_whiteness": 0.9,
            "fill_ratio": 0.6,
            "centre_offset": 0.1,
            "touches_edge": False,
            "border": False,
        },
    },
    "quality_map": None,
}

MODEL = f'''
import time

import numpy as np
import triton_python_backend_utils as pb

VERDICT = {json.dumps(json.dumps(VERDICT))}.encode()


class TritonPythonModel:
    """Each image scores its number if it has one, as ``good 7``, or else the version it was asked
    of; ``bad...`` is refused.
    """

    def initialize(self, args):
        import json
        parameters = json.loads(args["model_config"])["parameters"]
        self.delay_s = float(parameters["delay_ms"]["string_value"]) / 1000
        self.score = float(args["model_version"])

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        time.sleep(self.delay_s)
        images = pb.get_input_tensor_by_name(request, "IMAGE").as_numpy()
        for place, image in enumerate(images[:, 0]):
            if image.startswith(b"bad"):
                words = f"item {{place}} of {{len(images)}}: bad"
                return pb.InferenceResponse(
                    error=pb.TritonError(words, pb.TritonError.INVALID_ARG)
                )
        batch = len(images)
        scores = [
            float(image[5:]) if image.startswith(b"good ") else self.score for image in images[:, 0]
        ]
        verdicts = np.empty((batch, 1), dtype=np.object_)
        verdicts[:] = VERDICT
        return pb.InferenceResponse(
            [
                pb.Tensor("SCORE", np.array(scores, np.float32).reshape(batch, 1)),
                pb.Tensor("ATTRIBUTES", np.full((batch, {len(ATTRIBUTES)}), 0.5, np.float32)),
                pb.Tensor("VERDICT", verdicts),
            ]
        )
'''

STREAM_MODEL = '''
import json
import os
import time

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    """A picture every ``delay_ms``, then the summary; ``software`` is the server's process."""

    def initialize(self, args):
        parameters = json.loads(args["model_config"])["parameters"]
        self.delay_s = float(parameters["delay_ms"]["string_value"]) / 1000

    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            count = int(pb.get_input_tensor_by_name(request, "COUNT").as_numpy()[0, 0])
            for number in range(count):
                time.sleep(self.delay_s)
                if request.is_cancelled():
                    break
                sender.send(self.answer(count, number + 1, [self.facts(number)]))
            last = self.answer(count, count, [])
            sender.send(last, flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def facts(self, number):
        return {
            "format": "PNG", "width": 1, "height": 1, "bytes": 3, "category": "watches",
            "seed": 100 + number, "truncation": 0.7, "scale": 1, "score": None, "tries": 1,
            "watermark": "none", "software": str(os.getppid()), "digital_source_type": "none",
        }

    def answer(self, count, made, facts):
        summary = {
            "seed": 100, "requested": count, "returned": made, "tried": made,
            "best_refused": None, "complete": made == count, "final": not facts, "message": "",
        }
        return pb.InferenceResponse([
            self.texts("OUTPUT_IMAGE", [b"png" for _ in facts]),
            self.texts("OUTPUT_FACTS", [json.dumps(one).encode() for one in facts]),
            self.texts("SUMMARY", [json.dumps(summary).encode()]),
        ])

    def texts(self, name, values):
        array = np.empty((1, len(values)), dtype=np.object_)
        array[0, :] = values
        return pb.Tensor(name, array)
'''

STREAM_CONFIG = """
name: "generate_stream"
backend: "python"
max_batch_size: 1
input [
  { name: "CATEGORY" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "COUNT" data_type: TYPE_INT32 dims: [ 1 ] optional: true }
]
output [
  { name: "OUTPUT_IMAGE" data_type: TYPE_STRING dims: [ -1 ] },
  { name: "OUTPUT_FACTS" data_type: TYPE_STRING dims: [ -1 ] },
  { name: "SUMMARY" data_type: TYPE_STRING dims: [ 1 ] }
]
instance_group [ { kind: KIND_CPU count: 1 } ]
model_transaction_policy { decoupled: true }
"""

TENSORS = f"""
max_batch_size: 32
input [
  {{ name: "IMAGE" data_type: TYPE_STRING dims: [ 1 ] }},
  {{ name: "POLICY" data_type: TYPE_STRING dims: [ 1 ] optional: true }}
]
output [
  {{ name: "SCORE" data_type: TYPE_FP32 dims: [ 1 ] }},
  {{ name: "ATTRIBUTES" data_type: TYPE_FP32 dims: [ {len(ATTRIBUTES)} ] }},
  {{ name: "VERDICT" data_type: TYPE_STRING dims: [ 1 ] }}
]
"""

ENSEMBLE = (
    'name: "quality"\nplatform: "ensemble"\n'
    + TENSORS
    + """
ensemble_scheduling { step [ {
  model_name: "canned" model_version: -1
  input_map { key: "IMAGE" value: "IMAGE" }
  input_map { key: "POLICY" value: "POLICY" }
  output_map { key: "SCORE" value: "SCORE" }
  output_map { key: "ATTRIBUTES" value: "ATTRIBUTES" }
  output_map { key: "VERDICT" value: "VERDICT" }
} ] }
"""
)


def write_model(folder: Path, name: str, *, delay_ms: float, queue: int, versions: int) -> None:
    model = folder / name
    for version in range(1, versions + 1):
        (model / str(version)).mkdir(parents=True)
        (model / str(version) / "model.py").write_text(MODEL)
    limit = f"default_queue_policy {{ max_queue_size: {queue} }}" if queue else ""
    (model / "config.pbtxt").write_text(
        f'name: "{name}"\nbackend: "python"\n{TENSORS}\n'
        f"instance_group [ {{ kind: KIND_CPU count: 1 }} ]\n"
        f"dynamic_batching {{ {limit} }}\n"
        f"version_policy: {{ all {{}} }}\n"
        f'parameters {{ key: "delay_ms" value: {{ string_value: "{delay_ms}" }} }}\n'
    )


def write_stream_model(folder: Path, *, delay_ms: float) -> None:
    model = folder / "generate_stream"
    (model / "1").mkdir(parents=True)
    (model / "1" / "model.py").write_text(STREAM_MODEL)
    delay = f'parameters {{ key: "delay_ms" value: {{ string_value: "{delay_ms}" }} }}\n'
    (model / "config.pbtxt").write_text(STREAM_CONFIG + delay)


def canned_repository(
    folder: Path,
    *,
    delay_ms: float = 0.0,
    queue: int = 0,
    versions: int = 1,
    ensemble: bool = False,
    streams: bool = False,
    canary: bool = False,
) -> Path:
    """A repository whose ``quality`` answers at once, or after a while, with a canned verdict.

    With ``streams`` there is a ``generate_stream`` too, with ``delay_ms`` before each picture; with
    ``canary`` the same again as ``quality_canary``.
    """
    folder.mkdir(parents=True)
    name = "canned" if ensemble else "quality"
    write_model(folder, name, delay_ms=delay_ms, queue=queue, versions=versions)
    if ensemble:
        (folder / "quality" / "1").mkdir(parents=True)
        (folder / "quality" / "config.pbtxt").write_text(ENSEMBLE)
    if canary:
        write_model(folder, "quality_canary", delay_ms=delay_ms, queue=queue, versions=1)
    if streams:
        write_stream_model(folder, delay_ms=delay_ms)
    return folder


@dataclass
class Replica:
    """One canned server that can die and come back at the same address."""

    config: ServerConfig
    process: TritonProcess
    freeze_process: Callable[[int], None]

    @property
    def address(self) -> str:
        return self.process.grpc_address

    def kill(self) -> None:
        if self.process.returncode is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait(60)

    def freeze(self) -> None:
        self.freeze_process(self.process.pid)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Stop as in production, without losing a request."""
        self.process.stop()

    def restart(self) -> None:
        """Start again after :meth:`kill` or :meth:`stop`."""
        self.process = TritonProcess(self.config)
        self.process.start()


@pytest.fixture(scope="module")
def idle_replicas() -> Iterator[defaultdict[str, list[Replica]]]:
    """Servers that the module's tests have left alive, by kind: to start one takes seconds."""
    found: defaultdict[str, list[Replica]] = defaultdict(list)
    yield found
    for replica in chain.from_iterable(found.values()):
        # Nothing is under way any more; draining would only take time.
        replica.kill()
        replica.process.stop()


@pytest.fixture
def start_replica(
    idle_replicas: defaultdict[str, list[Replica]],
    tmp_path: Path,
    freeze_process: Callable[[int], None],
) -> Iterator[Callable[..., Replica]]:
    """Gives canned servers on free ports, which the test may kill and freeze."""
    given: list[tuple[str, Replica]] = []

    def start(server: dict[str, Any] | None = None, **options: Any) -> Replica:
        kind = repr((server, sorted(options.items())))
        if idle_replicas[kind]:
            replica = idle_replicas[kind].pop()
        else:
            folder = canned_repository(tmp_path / f"repository{len(given)}", **options)
            config = ServerConfig.on_free_ports(folder, exit_timeout_s=10, **(server or {}))
            replica = Replica(config, TritonProcess(config), freeze_process)
            replica.process.start()
        given.append((kind, replica))
        return replica

    yield start
    for kind, replica in given:
        if replica.process.returncode is None:
            replica.thaw()
            idle_replicas[kind].append(replica)
        else:
            replica.process.stop()


@pytest.fixture
def two_replicas(start_replica: Callable[..., Replica]) -> tuple[Replica, Replica]:
    """Two canned servers."""
    return start_replica(), start_replica()


@pytest.fixture
def two_slow_replicas(start_replica: Callable[..., Replica]) -> tuple[Replica, Replica]:
    """Two canned servers that take their time, and stream pictures too."""
    return start_replica(delay_ms=20, streams=True), start_replica(delay_ms=20, streams=True)


@dataclass
class Load:
    """Threads that call one client until they are told to stop.

    Attributes:
        events: Every call, in order of its end.
        errors: What calls raised.
    """

    events: list[CallEvent] = field(default_factory=list)
    errors: list[ClientError] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, client: PackshotClient, threads: int = 4) -> None:
        def work() -> None:
            while not self.stopping.is_set():
                try:
                    client.score(b"good")
                except ClientError as error:
                    self.errors.append(error)
                time.sleep(0.002)

        self.threads = [threading.Thread(target=work) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def served_by(self, since: int = 0) -> Counter[str]:
        """Calls answered by each replica, from the event ``since`` on."""
        return Counter(e.address for e in self.events[since:] if e.status == "OK" and e.model)

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 120.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)


@pytest.fixture
def load() -> Iterator[Load]:
    """Load that ends with the test."""
    found = Load()
    yield found
    found.stop()
