"""The stages generate and generate_stream without Triton: other models are functions here."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from packshot.contracts import GENERATE, GENERATOR_NET, ModelSpec
from packshot.errors import ContractError, ModelCallError, RequestCancelledError
from packshot.serving.backend import Tensors, checked_request
from packshot.serving.generate import Generate
from packshot.serving.sending import SendingAdapter
from packshot.serving.stage_context import StageContext

Array = npt.NDArray[Any]


def tensors(**inputs: Any) -> Tensors:
    dtypes = {tensor.name: tensor.dtype for tensor in GENERATE.inputs}
    numpy = {"BYTES": np.object_, "INT64": np.int64, "INT32": np.int32, "FP32": np.float32}
    return {name: np.array([[value]], numpy[dtypes[name]]) for name, value in inputs.items()}


class Networks:
    """Stand in for the other models. Checks requests as Triton does."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, spec: ModelSpec, request: Tensors) -> dict[str, Array]:
        checked_request(spec, request)
        self.calls.append(spec.name)
        first = next(iter(request.values()))
        if spec == GENERATOR_NET:
            rng = np.random.default_rng(abs(int(1e6 * first[0, 0])))
            return {"IMAGE": rng.integers(0, 200, (len(first), 64, 64, 3), np.uint8)}
        if spec.name.startswith("upscale"):
            scale = int(spec.name.removeprefix("upscale_x")[0])
            return {"UPSCALED": first.repeat(scale, axis=1).repeat(scale, axis=2)}
        return {"SCORE": np.full((len(first), 1), 50.0, np.float32)}


@pytest.fixture
def networks() -> Networks:
    return Networks()


def stage(
    networks: Networks, folder: Path, model: str = "generate", generator: str = "generator_net"
) -> Generate:
    context = StageContext(
        version_directory=folder / model / "1", parameters={"calls": f"{generator}, quality_net"}
    )
    return Generate(context, networks)


def answered(stage: Generate, request: Tensors) -> tuple[list[Tensors], Tensors]:
    """What a stage sends, and what it returns."""
    sent: list[Tensors] = []
    last = stage.answer(request, sent.append, never)
    return sent, last


def never() -> bool:
    return False


def test_all_pictures_in_one_answer(networks: Networks, tmp_path: Path) -> None:
    request = tensors(CATEGORY=b"watches", SEED=7, COUNT=3, MIN_SCORE=40.0, FORMAT=b"jpg")
    sent, last = answered(stage(networks, tmp_path), request)
    assert sent == []
    assert last["OUTPUT_IMAGE"].shape == last["OUTPUT_FACTS"].shape == (1, 3)
    facts = [json.loads(text) for text in last["OUTPUT_FACTS"][0]]
    assert [fact["seed"] for fact in facts] == [7, 8, 9]
    assert {fact["score"] for fact in facts} == {50.0}
    assert Image.open(io.BytesIO(last["OUTPUT_IMAGE"][0, 2])).size == (256, 256)
    assert json.loads(last["SUMMARY"][0, 0])["complete"]
    assert networks.calls == ["generator_net", "upscale_x4_net", "quality_net"]


def test_a_stream_gives_one_picture_a_response(networks: Networks, tmp_path: Path) -> None:
    request = tensors(CATEGORY=b"watches", SEED=7, COUNT=3, SCALE=1)
    streaming = stage(networks, tmp_path, "generate_stream")
    sent, last = answered(streaming, request)
    assert [part["OUTPUT_IMAGE"].shape for part in sent] == [(1, 1)] * 3
    assert last["OUTPUT_IMAGE"].shape == last["OUTPUT_FACTS"].shape == (1, 0)
    states = [json.loads(part["SUMMARY"][0, 0]) for part in (*sent, last)]
    assert [state["returned"] for state in states] == [1, 2, 3, 3]
    assert [state["final"] for state in states] == [False, False, False, True]


def test_nothing_good_enough_is_an_answer(networks: Networks, tmp_path: Path) -> None:
    request = tensors(CATEGORY=b"watches", COUNT=2, SCALE=1, MIN_SCORE=51.0)
    _, last = answered(stage(networks, tmp_path), request)
    assert last["OUTPUT_IMAGE"].shape == (1, 0)
    summary = json.loads(last["SUMMARY"][0, 0])
    assert (summary["returned"], summary["tried"], summary["best_refused"]) == (0, 16, 50.0)
    assert "0 of 2 pictures reached MIN_SCORE 51" in summary["message"]


def test_facts_name_the_generator_that_was_called(networks: Networks, tmp_path: Path) -> None:
    folder = tmp_path / "generator_net" / "4"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"weights": {"sha256": "ab" * 32}}))
    request = tensors(CATEGORY=b"belts", SCALE=1)
    pinned = stage(networks, tmp_path, "generate_canary", generator="generator_net:4")
    _, last = answered(pinned, request)
    facts = json.loads(last["OUTPUT_FACTS"][0, 0])
    assert (facts["model_version"], facts["weights"]) == (4, "ab" * 6)
    _, last = answered(stage(networks, tmp_path), request)
    facts = json.loads(last["OUTPUT_FACTS"][0, 0])
    assert (facts["model_version"], facts["weights"]) == (0, "")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"CATEGORY": b"hats"}, "must be one of backpacks"),
        ({"CATEGORY": b"\xff"}, "must be one of backpacks"),
        ({"COUNT": 0}, "COUNT must be 1 to 16"),
        ({"COUNT": 17}, "call generate_stream"),
        ({"SCALE": 3}, "SCALE must be"),
        ({"FORMAT": b"gif"}, "FORMAT must be"),
    ],
)
def test_bad_input_is_refused_before_any_network(
    networks: Networks, tmp_path: Path, wrong: dict[str, Any], words: str
) -> None:
    request = tensors(**{"CATEGORY": b"watches", **wrong})
    with pytest.raises(ContractError, match=words):
        answered(stage(networks, tmp_path), request)
    assert networks.calls == []


def test_a_cancelled_request_is_not_answered(networks: Networks, tmp_path: Path) -> None:
    request = tensors(CATEGORY=b"watches", COUNT=3)
    with pytest.raises(RequestCancelledError):
        stage(networks, tmp_path).answer(request, [].append, lambda: True)
    assert networks.calls == []


class Sender:
    """A response sender of Triton's, which keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, int]] = []
        self.done = threading.Event()

    def send(self, response: Any, flags: int = 0) -> None:
        self.sent.append((response, flags))
        if flags:
            self.done.set()

    def is_cancelled(self) -> bool:
        return False


class Request:
    """A request of Triton's."""

    def __init__(self, **inputs: Any) -> None:
        self.sender = Sender()
        self._inputs = tensors(**inputs)

    def inputs(self) -> list[Any]:
        return [_tensor(name, array) for name, array in self._inputs.items()]

    def get_response_sender(self) -> Sender:
        return self.sender


def _tensor(name: str, array: Array) -> Any:
    class Tensor:
        def name(self) -> str:
            return name

        def as_numpy(self) -> Array:
            return array

    return Tensor()


class Backend:
    """``triton_python_backend_utils``, as much of it as an adapter needs."""

    TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1

    class TritonError(Exception):
        INVALID_ARG, UNAVAILABLE, INTERNAL, CANCELLED = "INVALID", "UNAVAILABLE", "INTERNAL", "GONE"

    class Logger:
        @staticmethod
        def log_error(text: str) -> None:
            """Kept by nobody."""

    class MetricFamily:
        COUNTER = "counter"
        counts: ClassVar[Counter[str]] = Counter()

        def __init__(self, **_: Any) -> None:
            pass

        def Metric(self, labels: dict[str, str]) -> Any:  # noqa: N802
            def increment(by: int) -> None:
                self.counts[labels["code"]] += by

            return SimpleNamespace(increment=increment)

    @staticmethod
    def Tensor(name: str, array: Array) -> tuple[str, Array]:  # noqa: N802
        return name, array

    @staticmethod
    def InferenceResponse(outputs: list[Any], error: Any = None) -> Any:  # noqa: N802
        return error.args if error is not None else dict(outputs)


def test_each_request_ends_with_one_final_response(networks: Networks, tmp_path: Path) -> None:
    Backend.MetricFamily.counts.clear()
    adapter = SendingAdapter(stage(networks, tmp_path, "generate_stream"), Backend, 2)
    good = [Request(CATEGORY=b"belts", COUNT=2, SCALE=1) for _ in range(5)]
    bad = Request(CATEGORY=b"hats")
    incomplete = Request(COUNT=1)
    adapter.execute([*good, bad, incomplete])
    for request in (*good, bad, incomplete):
        assert request.sender.done.wait(30)
    adapter.close()
    for request in good:
        assert [flags for _, flags in request.sender.sent] == [0, 0, 1]
    ((error, flags),) = bad.sender.sent
    assert flags == 1
    assert error[1] == "INVALID"
    assert "must be one of" in error[0]
    ((error, flags),) = incomplete.sender.sent
    assert "needs the input CATEGORY" in error[0]
    assert Backend.MetricFamily.counts == {"INVALID_ARG": 2}


def test_a_model_that_fails_midway_ends_the_stream(networks: Networks, tmp_path: Path) -> None:
    calls = iter(range(100))

    def failing(spec: ModelSpec, request: Tensors) -> dict[str, Array]:
        if next(calls) == 1:
            raise ModelCallError("generator_net did not answer", status="UNAVAILABLE")
        return networks(spec, request)

    context = StageContext(version_directory=tmp_path / "generate_stream" / "1", parameters={})
    adapter = SendingAdapter(Generate(context, failing), Backend, 1)
    request = Request(CATEGORY=b"belts", COUNT=20, SCALE=1)
    adapter.execute([request])
    assert request.sender.done.wait(30)
    adapter.close()
    assert len(request.sender.sent) == 9, "eight pictures and the error"
    assert request.sender.sent[-1][0] == ("generator_net did not answer", "UNAVAILABLE")
