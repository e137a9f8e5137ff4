"""A small network, its versions and a repository, for tests of publishing on a live Triton."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tritonclient.grpc as triton_grpc
from torch import nn
from tritonclient.utils import InferenceServerException

from packshot.contracts import ModelSpec, TensorSpec
from packshot_export import networks
from packshot_export.golden import Golden
from packshot_export.manifest import write_manifest
from packshot_export.networks import Arrays, ExportableNetwork
from packshot_export.pictures import Picture
from packshot_export.precision import Precision, Tolerance
from packshot_export.publication import Publisher
from packshot_export.server import ModelServer, ServerAddress
from packshot_export.task_metric import RankAgreement
from packshot_export.version import staged_version

SPEC = ModelSpec(
    name="tiny_net",
    inputs=(TensorSpec(name="PIXELS", dtype="UINT8", shape=(8, 8, 3)),),
    outputs=(TensorSpec(name="SCORE", dtype="FP32", shape=(1,)),),
    max_batch_size=8,
)


def inputs_of(pictures: Sequence[Picture]) -> Arrays:
    return {"PIXELS": np.stack([picture[:8, :8] for picture in pictures])}


TINY = ExportableNetwork(
    name="tiny",
    spec=SPEC,
    weights=Path("unused"),
    load=lambda _: nn.Identity(),
    inputs_of=inputs_of,
    tolerances={p: {"SCORE": Tolerance(absolute=0.01)} for p in Precision},
    metric=RankAgreement(output="SCORE"),
    stage_module="unused",
)

_CONFIG = """# A comment that must stay.
name: "tiny_net"
backend: "python"
max_batch_size: 8
version_policy: { specific: { versions: [ 1 ] } }
input [ { name: "PIXELS" data_type: TYPE_UINT8 dims: [ 8, 8, 3 ] } ]
output [ { name: "SCORE" data_type: TYPE_FP32 dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
dynamic_batching { }
"""

_ENSEMBLE = """name: "tiny"
platform: "ensemble"
max_batch_size: 8
version_policy: { specific: { versions: [ 1 ] } }
input [ { name: "PIXELS" data_type: TYPE_UINT8 dims: [ 8, 8, 3 ] } ]
output [ { name: "SCORE" data_type: TYPE_FP32 dims: [ 1 ] } ]
ensemble_scheduling {
  step [
    {
      model_name: "tiny_net"
      model_version: 1
      input_map { key: "PIXELS" value: "PIXELS" }
      output_map { key: "SCORE" value: "SCORE" }
    }
  ]
}
"""

# As enhance and optimize are: a Python model that calls the network.
_CALLER = """name: "tiny_caller"
backend: "python"
max_batch_size: 1
version_policy: { specific: { versions: [ 1 ] } }
input [ { name: "PIXELS" data_type: TYPE_UINT8 dims: [ 8, 8, 3 ] } ]
output [ { name: "SCORE" data_type: TYPE_FP32 dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
parameters [
  { key: "calls" value { string_value: "tiny, tiny_net:1" } }
]
"""

_CALLER_MODEL = """import time

import triton_python_backend_utils as pb_utils

from packshot.contracts import ModelSpec, TensorSpec
from packshot.serving.model_calls import pinned_call
from packshot.serving.stage_context import StageContext

SPEC = ModelSpec(
    name="tiny_net",
    inputs=(TensorSpec(name="PIXELS", dtype="UINT8", shape=(8, 8, 3)),),
    outputs=(TensorSpec(name="SCORE", dtype="FP32", shape=(1,)),),
    max_batch_size=8,
)


class TritonPythonModel:
    def initialize(self, args):
        self.call = pinned_call(StageContext.from_arguments(args))

    def execute(self, requests):
        answers = []
        for request in requests:
            pixels = pb_utils.get_input_tensor_by_name(request, "PIXELS").as_numpy()
            time.sleep(0.05)  # The network may be replaced in the meantime.
            try:
                score = self.call(SPEC, {"PIXELS": pixels})["SCORE"]
            except Exception as error:
                failed = pb_utils.TritonError(str(error))
                answers.append(pb_utils.InferenceResponse([], error=failed))
                continue
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("SCORE", score)]))
        return answers
"""

# As quality is on a CPU: a Python model that computes with the network's files itself.
_HOLDER = _CALLER.replace("tiny_caller", "tiny_holder").replace(
    'key: "calls" value { string_value: "tiny, tiny_net:1" }',
    'key: "networks" value { string_value: "tiny_net:1" }',
)

_HOLDER_MODEL = """import numpy as np
import triton_python_backend_utils as pb_utils

from packshot.serving.called_models import read_calls
from packshot.serving.stage_context import StageContext


class TritonPythonModel:
    def initialize(self, args):
        context = StageContext.from_arguments(args)
        version = read_calls(context.text("networks"))["tiny_net"]
        network = context.version_directory.parent.parent / "tiny_net" / str(version)
        self.score = np.array([[float((network / "model.xml").read_text())]], np.float32)

    def execute(self, requests):
        tensor = pb_utils.Tensor("SCORE", self.score)
        return [pb_utils.InferenceResponse([tensor]) for _ in requests]
"""

_MODEL = """import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        {on_load}

    def execute(self, requests):
        {on_call}
        answers = []
        for request in requests:
            pixels = pb_utils.get_input_tensor_by_name(request, "PIXELS").as_numpy()
            score = pixels.astype(np.float32).mean(axis=(1, 2, 3))[:, None] * 0 + {answer}
            tensor = pb_utils.Tensor("SCORE", score.astype(np.float32))
            answers.append(pb_utils.InferenceResponse([tensor]))
        return answers
"""


def add_version(
    repository: Path,
    version: int,
    *,
    answer: float | None = None,
    on_load: str = "pass",
    on_call: str = "pass",
    loads: bool = True,
) -> Path:
    """Build a version that answers ``answer``, by default its number, and was recorded to answer
    its number."""
    with staged_version(repository / "tiny_net", version) as folder:
        wanted = float(version)
        (folder / "model.py").write_text(
            _MODEL.format(
                on_load=on_load if loads else 'raise RuntimeError("does not load")',
                on_call=on_call,
                answer=wanted if answer is None else answer,
            )
        )
        (folder / "model.xml").write_text(str(wanted))
        inputs = TINY.example_inputs(4, 0)
        Golden(inputs=inputs, outputs={"SCORE": np.full((4, 1), wanted, np.float32)}).write(folder)
        write_manifest(folder, {"model": "tiny_net", "version": version, "target": "openvino"})
    return repository / "tiny_net" / str(version)


def make_repository(folder: Path) -> Path:
    """``tiny``, an ensemble, and ``tiny_caller``, a Python model, call ``tiny_net`` 1.

    ``tiny_holder``, a Python model, computes with it.
    """
    (folder / "tiny_net").mkdir(parents=True)
    (folder / "tiny" / "1").mkdir(parents=True)
    (folder / "tiny_net" / "config.pbtxt").write_text(_CONFIG)
    (folder / "tiny" / "config.pbtxt").write_text(_ENSEMBLE)
    for name, config, code in (
        ("tiny_caller", _CALLER, _CALLER_MODEL),
        ("tiny_holder", _HOLDER, _HOLDER_MODEL),
    ):
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "config.pbtxt").write_text(config)
        (folder / name / "1" / "model.py").write_text(code)
    add_version(folder, 1)
    return folder


@dataclass
class Load:
    """Callers of the network and of all its callers, all the time, until the block ends."""

    address: str
    answers: dict[str, list[float]] = field(
        default_factory=lambda: {"tiny": [], "tiny_caller": [], "tiny_holder": [], "tiny_net": []}
    )
    failures: list[str] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[Load]:
        stop = threading.Event()
        threads = [
            threading.Thread(target=self._call, args=(model, stop))
            for model in ("tiny", *self.answers)
        ]
        for thread in threads:
            thread.start()
        try:
            self._wait_for_answers()
            yield self
            self._wait_for_answers()
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def _wait_for_answers(self) -> None:
        counts = {model: len(found) for model, found in self.answers.items()}
        deadline = time.monotonic() + 60
        while any(len(self.answers[m]) < count + 5 for m, count in counts.items()):
            if time.monotonic() > deadline or self.failures:
                return
            time.sleep(0.01)

    def _call(self, model: str, stop: threading.Event) -> None:
        inputs = TINY.example_inputs(1, 0)["PIXELS"]
        tensor = triton_grpc.InferInput("PIXELS", [1, 8, 8, 3], "UINT8")
        tensor.set_data_from_numpy(inputs)
        with triton_grpc.InferenceServerClient(self.address) as client:
            while not stop.is_set():
                try:
                    answer = client.infer(model, [tensor], client_timeout=60)
                except InferenceServerException as error:
                    self.failures.append(f"{model}: {error}")
                    continue
                self.answers[model].append(float(answer.as_numpy("SCORE")[0, 0]))
                time.sleep(0.002)


def register() -> None:
    """Make the export tools know ``tiny_net``."""
    networks.NETWORKS["tiny"] = TINY


if __name__ == "__main__":  # A publisher of its own, to be killed: REPOSITORY ADDRESS VERSION STAGE
    register()

    def say(stage: str) -> None:
        print(stage, flush=True)
        if stage == sys.argv[4]:
            time.sleep(600)

    with ModelServer(ServerAddress(address=sys.argv[2])) as server:
        Publisher(Path(sys.argv[1]) / "tiny_net", server, report=say).publish(int(sys.argv[3]))
