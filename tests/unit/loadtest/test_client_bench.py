"""The client's benchmark: that it compares like with like, and what it makes of its timings."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2

from packshot.contracts import ATTRIBUTES
from packshot_loadtest.client_bench.canned_model import canned_verdict
from packshot_loadtest.client_bench.comparison import compared, compared_pairs
from packshot_loadtest.client_bench.contenders import BARE, CONTENDERS, PACKSHOT, READ, TRITON
from packshot_loadtest.client_bench.pairs import pair_async, pair_sync
from packshot_loadtest.client_bench.timing import Timing


class _Recorder(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers every call with the canned verdict, and keeps the bytes that came."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        verdict = json.dumps(canned_verdict()).encode()
        response = service_pb2.ModelInferResponse(model_name="quality", model_version="1")
        width = len(ATTRIBUTES)
        for name, datatype, data in (
            ("SCORE", "FP32", struct.pack("<f", 61.5)),
            ("ATTRIBUTES", "FP32", struct.pack(f"<{width}f", *[0.5] * width)),
            ("VERDICT", "BYTES", struct.pack("<I", len(verdict)) + verdict),
        ):
            shape = [1, width if name == "ATTRIBUTES" else 1]
            response.outputs.add(name=name, datatype=datatype, shape=shape)
            response.raw_output_contents.append(data)
        self._answer: bytes = response.SerializeToString()

    def service(self, details: Any) -> Any:  # noqa: ARG002
        return grpc.unary_unary_rpc_method_handler(self._take)

    def _take(self, request: bytes, context: Any) -> bytes:  # noqa: ARG002
        self.received.append(request)
        return self._answer


@pytest.fixture(name="recorder")
def _recorder() -> _Recorder:
    return _Recorder()


@pytest.fixture(name="address")
def _address(recorder: _Recorder) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2), handlers=(recorder,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.mark.parametrize("face", ["sync", "async"])
def test_all_contenders_take_turns_and_the_stubs_send_what_packshot_sends(
    recorder: _Recorder, address: str, face: str
) -> None:
    case = (address, b"a photo", 4)
    timings = pair_sync(*case) if face == "sync" else asyncio.run(pair_async(*case))
    assert {name: len(timing.latencies_ms) for name, timing in timings.items()} == dict.fromkeys(
        CONTENDERS, 4
    )
    assert all(timing.cpu_s > 0 for timing in timings.values())
    messages = [service_pb2.ModelInferRequest.FromString(data) for data in recorder.received]
    alike = [message for message in messages if message.id]  # tritonclient sends none.
    assert len(alike) == len(messages) * 3 / 4
    for message in alike:
        assert len(message.id) == 32
        assert 50e6 < message.parameters["timeout"].int64_param <= 60e6
        message.id = ""
        message.parameters["timeout"].int64_param = 0
    assert all(message == alike[0] for message in alike)


def timing(*latencies_ms: float, cpu_s: float = 0.001) -> Timing:
    return Timing(
        latencies_ms=latencies_ms,
        wall_s=sum(latencies_ms) / 1000,
        cpu_s=cpu_s * len(latencies_ms),
        resident_mib=(),
    )


def test_differences_are_taken_within_a_turn() -> None:
    # The machine slows down tenfold half way: a difference of medians would see nothing else.
    bare = [1.0] * 50 + [10.0] * 51
    found = compared_pairs(
        {
            BARE: timing(*bare),
            READ: timing(*(one + 0.2 for one in bare)),
            TRITON: timing(*(one + 0.5 for one in bare)),
            PACKSHOT: timing(*(one + 0.1 for one in bare), cpu_s=0.0011),
        }
    )
    assert found["p50_over_bare_us"] == pytest.approx(100.0)
    assert found["p50_over_bare_interval_us"] == pytest.approx([100.0, 100.0])
    assert found["p50_over_reading_us"] == pytest.approx(-100.0)
    assert found["p50_over_reading_interval_us"] == pytest.approx([-100.0, -100.0])
    assert found["cpu_over_bare_us"] == pytest.approx(100.0)
    assert found["throughput_over_bare"] == pytest.approx(sum(bare) / (sum(bare) + 10.1))
    assert found["throughput_over_tritonclient"] > 1


def test_the_interval_of_what_is_only_noise_has_both_signs() -> None:
    bare = [20.0 + (7 * turn) % 11 for turn in range(200)]
    own = [20.0 + (5 * turn + 3) % 11 for turn in range(200)]
    found = compared_pairs(
        {**dict.fromkeys((BARE, READ, TRITON), timing(*bare)), PACKSHOT: timing(*own)}
    )
    low, high = found["p50_over_bare_interval_us"]
    assert low <= 0.0 <= high
    assert low < high


def test_ratios_are_taken_within_a_round() -> None:
    rounds = {
        BARE: [timing(1.0, 1.0), timing(10.0, 10.0), timing(1.0, 1.0)],
        READ: [timing(1.2, 1.2), timing(12.0, 12.0), timing(1.3, 1.3)],
        TRITON: [timing(2.0, 2.0), timing(20.0, 20.0), timing(2.0, 2.0)],
        PACKSHOT: [timing(1.25, 1.25), timing(12.5, 12.5), timing(1.25, 1.25)],
    }
    found = compared(rounds)
    assert found["throughput_over_bare"] == pytest.approx(0.8)
    assert found["throughput_over_reading"] == pytest.approx(0.96)
    assert found["throughput_over_tritonclient"] == pytest.approx(1.6)
    assert found["rows"][PACKSHOT]["p50_ms"] == 1.25
