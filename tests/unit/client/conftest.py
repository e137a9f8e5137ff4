"""A real gRPC server in this process that answers as the models would, with canned results."""

from __future__ import annotations

import copy
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from packshot.contracts import ATTRIBUTES, with_fault
from packshot_client._images import png_file
from packshot_client._results import QualityResult
from packshot_client._verdicts import quality_results

VERDICT: dict[str, Any] = {
    "schema": 1,
    "decision": "review",
    "policy": "default",
    "score": 61.5,
    "uncertainty": 4.25,
    "grade": "medium",
    "attributes": dict.fromkeys(ATTRIBUTES, 0.5),
    "worst_attribute": "sharpness",
    "reasons": [
        {
            "rule": "sharpness.min",
            "attribute": "sharpness",
            "severity": "review",
            "measured": 0.31,
            "expected": ">= 0.4",
            "message": {"en": "The photo is soft.", "zh": "照片不够清晰。"},
            "source": "https://example.com/rules?a=1&b=2",
            "weight": 0.8,
        }
    ],
    "advice": [
        {
            "attribute": "sharpness",
            "cause": "blur",
            "text": {"en": "Use a tripod.", "zh": "请使用三脚架。"},
        }
    ],
    "image": {
        "format": "JPEG",
        "width": 640,
        "height": 480,
        "bytes": 34567,
        "megapixels": 0.307,
        "color_mode": "RGB",
        "animated": False,
        "has_alpha": False,
        "orientation": 1,
        "icc_converted": False,
        "composition": {
            "score": 0.75,
            "background_plain": True,
            "background_uniformity": 0.9,
            "background_whiteness": 0.95,
            "fill_ratio": 0.62,
            "centre_offset": 0.05,
            "touches_edge": False,
            "border": False,
        },
    },
    "quality_map": [[[0.5] * 7 for _ in range(7)] for _ in range(7)],
}


def infer_response(*verdicts: Any, scores: list[float] | None = None, **header: str) -> Any:
    """A ``ModelInferResponse`` of ``quality``; a verdict is JSON, or the bytes to send as it."""
    scores = [61.5] * len(verdicts) if scores is None else scores
    encoded = [v if isinstance(v, bytes) else json.dumps(v).encode() for v in verdicts]
    response = service_pb2.ModelInferResponse(
        **{"model_name": "quality", "model_version": "3", **header}
    )
    for name, datatype, width in (
        ("SCORE", "FP32", 1),
        ("ATTRIBUTES", "FP32", len(ATTRIBUTES)),
        ("VERDICT", "BYTES", 1),
    ):
        response.outputs.add(name=name, datatype=datatype, shape=[len(verdicts), width])
    values = [(index + 1) / 10 for index in range(len(ATTRIBUTES))] * len(verdicts)
    response.raw_output_contents.extend(
        [
            struct.pack(f"<{len(scores)}f", *scores),
            struct.pack(f"<{len(values)}f", *values),
            b"".join(struct.pack("<I", len(data)) + data for data in encoded),
        ]
    )
    return response


STEPS: dict[str, Any] = {
    "schema": 1,
    "changed": True,
    "stopped": "passes",
    "steps": [
        {
            "fix": "tone",
            "because": ["exposure", "noise"],
            "score": 62.0,
            "gain": 0.5,
            "kept": False,
            "why": "no_gain",
            "new_faults": [],
        },
        {
            "fix": "restore",
            "finish": "gentle",
            "because": ["exposure", "noise"],
            "score": 70.0,
            "gain": 8.5,
            "kept": True,
            "why": "better",
            "new_faults": [],
        },
    ],
    "beyond_repair": [
        {
            "cause": "cut_off",
            "advice": "cut_off",
            "attribute": "composition",
            "text": {"en": "Step back.", "zh": "请后退。"},
        }
    ],
}


def picture_response(
    model: str, outputs: dict[str, list[bytes] | list[float]], **header: str
) -> Any:
    """A ``ModelInferResponse`` of a model that makes pictures; texts are BYTES, numbers FP32."""
    response = service_pb2.ModelInferResponse(
        **{"model_name": model, "model_version": "1", **header}
    )
    for name, values in outputs.items():
        texts = [value for value in values if isinstance(value, bytes)]
        numbers = [value for value in values if isinstance(value, float)]
        datatype = "FP32" if numbers else "BYTES"
        response.outputs.add(name=name, datatype=datatype, shape=[1, len(values)])
        encoded = b"".join(struct.pack("<I", len(data)) + data for data in texts)
        response.raw_output_contents.append(
            struct.pack(f"<{len(numbers)}f", *numbers) if numbers else encoded
        )
    return response


def picture_outputs(
    image: bytes,
    format: str = "JPEG",  # noqa: A002
    **facts: Any,
) -> dict[str, list[bytes] | list[float]]:
    """The two outputs that all of those models have."""
    found = {"format": format, "width": 64, "height": 48, "bytes": len(image), **facts}
    return {"OUTPUT_IMAGE": [image], "OUTPUT_FACTS": [json.dumps(found).encode()]}


def optimize_outputs(image: bytes, **facts: Any) -> dict[str, list[bytes] | list[float]]:
    """The outputs of ``optimize``: better by 8.5 points, and accepted."""
    after = {**VERDICT, "score": 70.0, "decision": "accept", "reasons": [], "advice": []}
    return {
        **picture_outputs(image, **facts),
        "SCORES": [61.5, 70.0],
        "VERDICT_BEFORE": [json.dumps(VERDICT).encode()],
        "VERDICT_AFTER": [json.dumps(after).encode()],
        "STEPS": [json.dumps(STEPS).encode()],
    }


def numbers_of(request: Any) -> dict[str, Any]:
    """The whole numbers among the inputs of a request."""
    formats = {"INT32": "<i", "INT64": "<q"}
    return {
        tensor.name: struct.unpack(formats[tensor.datatype], data)[0]
        for tensor, data in zip(request.inputs, request.raw_input_contents, strict=True)
        if tensor.datatype in formats
    }


def generated_response(request: Any, places: range, *, final: bool) -> Any:
    """Pictures of one pixel for a request of ``generate`` or ``generate_stream``."""
    given = numbers_of(request)
    category = byte_elements(request.raw_input_contents[0])[0].decode()
    seed = given.get("SEED", 1000)
    facts = [
        {
            **{"format": "PNG", "width": 1, "height": 1, "bytes": len(PIXEL)},
            **{"category": category, "seed": seed + place, "truncation": 0.7, "scale": 1},
            **{"score": None, "tries": 1, "watermark": "packshot-1", "software": "packshot 0.1.0"},
            "digital_source_type": "http://cv.iptc.org/newscodes/digitalsourcetype/"
            "trainedAlgorithmicMedia",
        }
        for place in places
    ]
    summary = {
        **{"category": category, "seed": seed, "truncation": 0.7, "scale": 1, "min_score": None},
        **{"requested": given["COUNT"], "returned": places.stop, "tried": places.stop},
        **{"best_refused": None, "complete": places.stop == given["COUNT"], "final": final},
        "message": "" if places.stop == given["COUNT"] or not final else "Too few were good.",
    }
    outputs: dict[str, list[bytes] | list[float]] = {
        "OUTPUT_IMAGE": [PIXEL for _ in places],
        "OUTPUT_FACTS": [json.dumps(one).encode() for one in facts],
        "SUMMARY": [json.dumps(summary).encode()],
    }
    return picture_response(request.model_name, outputs, id=request.id)


PIXEL = png_file(1, 1, 2, b"\0\x10\x20\x30")
"""A picture of one pixel."""


@dataclass
class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Answers by the first word of the image: ``bad``, ``slow``, ``busy``, ``odd``, or a score.

    ``together 2`` takes a little, and first waits until two requests are under way at once.

    Attributes:
        address: Where it listens.
        ready: What it says to ServerReady.
        requests: Every ModelInferRequest it got, in order of arrival.
        deadlines_s: The gRPC deadline of each.
        metadata: The headers of all, one after the other.
        most_at_once: The largest number of requests under way at the same time.
        stream: Answers a ModelStreamInfer request, with the context.
        slow_s: How long ``slow`` takes unless it is cancelled: longer than any test is patient.
    """

    address: str = ""
    ready: bool = True
    requests: list[Any] = field(default_factory=list)
    deadlines_s: list[float] = field(default_factory=list)
    metadata: list[tuple[str, Any]] = field(default_factory=list)
    most_at_once: int = 0
    stream: Callable[[Any, Any], Iterator[Any]] | None = None
    slow_s: float = 60.0
    cancelled: threading.Event = field(default_factory=threading.Event)
    _under_way: int = 0
    _lock: threading.Condition = field(default_factory=threading.Condition)

    def ServerReady(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        return service_pb2.ServerReadyResponse(ready=self.ready)

    def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        return service_pb2.ModelReadyResponse(ready=self.ready)

    def RepositoryIndex(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        response = service_pb2.RepositoryIndexResponse()
        response.models.add(name="quality", version="10", state="READY")
        response.models.add(name="quality", version="9", state="UNAVAILABLE", reason="unloaded")
        return response

    def ModelStatistics(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.name not in ("", "quality"):
            context.abort(grpc.StatusCode.NOT_FOUND, f"'{request.name}' is not found")
        response = service_pb2.ModelStatisticsResponse()
        model = response.model_stats.add(name="quality", version="3", inference_count=8)
        model.execution_count = 4
        model.inference_stats.success.count, model.inference_stats.success.ns = 4, 40_000_000
        model.inference_stats.queue.count, model.inference_stats.queue.ns = 4, 8_000_000
        model.inference_stats.compute_infer.count = 4
        model.inference_stats.compute_infer.ns = 20_000_000
        return response

    def ServerMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        return service_pb2.ServerMetadataResponse(name="triton", version="2.51.0")

    def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        with self._lock:
            self.requests.append(request)
            self.deadlines_s.append(context.time_remaining())
            self.metadata.extend(context.invocation_metadata())
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
            self._lock.notify_all()
        try:
            return self._answer(request, context)
        finally:
            with self._lock:
                self._under_way -= 1

    def ModelStreamInfer(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802
        request = next(request_iterator)
        self.requests.append(request)
        self.metadata.extend(context.invocation_metadata())
        context.add_callback(self.cancelled.set)
        assert self.stream is not None
        for response, final in self.stream(request, context):
            response.parameters["triton_final_response"].bool_param = final
            yield service_pb2.ModelStreamInferResponse(infer_response=response)

    def _wait_for_company(self, count: int) -> None:
        with self._lock:
            self._lock.wait_for(lambda: self.most_at_once >= count, self.slow_s)

    def _answer(self, request: Any, context: Any) -> Any:
        given = {
            tensor.name: byte_elements(data)
            for tensor, data in zip(request.inputs, request.raw_input_contents, strict=True)
            if tensor.datatype == "BYTES"
        }
        if request.model_name == "generate":
            return generated_response(request, range(numbers_of(request)["COUNT"]), final=True)
        images = given["IMAGE"]
        policy = given.get("POLICY", [b"default"])[0].decode()
        notes = f"in ensemble 'quality', [request id: {request.id}]"
        if policy == "nowhere":
            words = with_fault(f"{notes} There is no policy 'nowhere'.", "unknown_policy")
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, words)
        for place, image in enumerate(images):
            word, _, rest = image.partition(b" ")
            if word == b"bad":
                which = f"item {place} of {len(images)}: " if len(images) > 1 else ""
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{notes} {which}Not a picture.")
            if word == b"busy":
                context.abort(grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size")
            if word == b"stopping":
                context.abort(grpc.StatusCode.UNAVAILABLE, "Server is stopping")
            if word == b"slow":
                context.add_callback(self.cancelled.set)
                self.cancelled.wait(self.slow_s)
            if word == b"together":
                self._wait_for_company(int(rest))
                threading.Event().wait(0.02)
            if word == b"later":
                threading.Event().wait(float(rest) / 1000)
            if word == b"odd":
                return infer_response(b"{}", id=request.id)
        header = {"model_version": request.model_version or "3"}
        if request.model_name != "quality":
            kind = optimize_outputs if request.model_name == "optimize" else picture_outputs
            wanted = given.get("FORMAT", [b"jpeg"])[0].decode().upper()
            outputs = kind(b"made of " + images[0], format=wanted)
            return picture_response(request.model_name, outputs, id=request.id, **header)
        verdicts, scores = zip(
            *(canned_verdict(image.partition(b" ")[0], policy) for image in images), strict=True
        )
        return infer_response(*verdicts, scores=list(scores), id=request.id, **header)


def canned_verdict(word: bytes, policy: str) -> tuple[dict[str, Any], float]:
    """The verdict and score for an image of one word."""
    verdict = {**copy.deepcopy(VERDICT), "policy": policy}
    score = 61.5
    if word in (b"accept", b"review", b"reject"):
        verdict["decision"] = word.decode()
        score = {b"accept": 88.0, b"review": 61.5, b"reject": 20.0}[word]
    return verdict, score


def byte_elements(data: bytes) -> list[bytes]:
    """The elements of a BYTES tensor."""
    found = []
    while data:
        (length,) = struct.unpack_from("<I", data)
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


@contextmanager
def running_fake(fake: FakeTriton, port: int = 0) -> Iterator[FakeTriton]:
    """``fake``, answering on a port of this machine."""
    server = grpc.server(
        futures.ThreadPoolExecutor(16), options=[("grpc.max_receive_message_length", -1)]
    )
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(fake, server)
    fake.address = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    server.start()
    try:
        yield fake
    finally:
        fake.cancelled.set()
        server.stop(None).wait()


@pytest.fixture
def triton() -> Iterator[FakeTriton]:
    """A running fake on a free port."""
    with running_fake(FakeTriton()) as fake:
        yield fake


@pytest.fixture
def second_triton() -> Iterator[FakeTriton]:
    """Another one."""
    with running_fake(FakeTriton()) as fake:
        yield fake


@pytest.fixture
def dead_address() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def verdict() -> dict[str, Any]:
    """The JSON of one verdict, free to change."""
    return copy.deepcopy(VERDICT)


@pytest.fixture
def respond() -> Callable[..., Any]:
    """Makes ``ModelInferResponse`` messages."""
    return infer_response


@pytest.fixture
def pictures() -> Callable[..., Any]:
    """Makes responses of ``generate_stream``: ``pictures(request, places, final=False)``."""
    return generated_response


@pytest.fixture
def optimized() -> Any:
    """A response of ``optimize``."""
    return picture_response("optimize", optimize_outputs(b"picture"), id="abc")


@pytest.fixture
def result() -> QualityResult:
    """One result, as read from a response."""
    return quality_results(infer_response(VERDICT, id="abc"))[0]
