"""A real gRPC server in this process that answers as ``quality`` would, with canned verdicts."""

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

from packshot.contracts import ATTRIBUTES
from packshot_client._responses import quality_results
from packshot_client._results import QualityResult

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


@dataclass
class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Answers by the first word of the image: ``bad``, ``slow``, ``busy``, ``odd``, or a score.

    Attributes:
        address: Where it listens.
        ready: What it says to ServerReady.
        requests: Every ModelInferRequest it got, in order of arrival.
        deadlines_s: The gRPC deadline of each.
        metadata: The headers of all, one after the other.
        most_at_once: The largest number of requests under way at the same time.
    """

    address: str = ""
    ready: bool = True
    requests: list[Any] = field(default_factory=list)
    deadlines_s: list[float] = field(default_factory=list)
    metadata: list[tuple[str, Any]] = field(default_factory=list)
    most_at_once: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

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
        try:
            return self._answer(request, context)
        finally:
            with self._lock:
                self._under_way -= 1

    def _answer(self, request: Any, context: Any) -> Any:
        images = byte_elements(request.raw_input_contents[0])
        policy = "default"
        if len(request.raw_input_contents) > 1:
            policy = byte_elements(request.raw_input_contents[1])[0].decode()
        notes = f"in ensemble 'quality', [request id: {request.id}]"
        if policy == "nowhere":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{notes} Unknown policy 'nowhere'.")
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
                self.cancelled.wait(5)
            if word == b"later":
                threading.Event().wait(float(rest) / 1000)
            if word == b"odd":
                return infer_response(b"{}", id=request.id)
        verdicts, scores = zip(
            *(canned_verdict(image.partition(b" ")[0], policy) for image in images), strict=True
        )
        header = {"model_version": request.model_version or "3"}
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
def result() -> QualityResult:
    """One result, as read from a response."""
    return quality_results(infer_response(VERDICT, id="abc"))[0]
