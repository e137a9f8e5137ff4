"""Closed-loop gRPC load: a fixed number of photos in flight, each answer asks for the next.

Run as a program by ``packshot-bench``, so that the load comes from a process of its own:

    python -m packshot_loadtest.closed_loop --address localhost:8001 --concurrency 8 --seconds 8
"""

from __future__ import annotations

import argparse
import asyncio
import struct
import time
from collections.abc import Sequence
from pathlib import Path

import grpc.aio
from tritonclient.grpc import service_pb2, service_pb2_grpc

from packshot.contracts import IMAGE, QUALITY
from packshot_loadtest.measurement import Measurement
from packshot_loadtest.payloads import folder_payloads, packaged_payloads


def quality_request(data: bytes) -> service_pb2.ModelInferRequest:
    """One photo to ``quality``, as the bare protocol message."""
    request = service_pb2.ModelInferRequest(model_name=QUALITY.name)
    request.inputs.add(name=IMAGE.name, datatype=IMAGE.dtype, shape=[1, 1])
    request.raw_input_contents.append(struct.pack("<I", len(data)) + data)
    return request


async def measure(
    address: str,
    payloads: Sequence[bytes],
    *,
    concurrency: int,
    seconds: float | None = None,
    count: int | None = None,
) -> Measurement:
    """Keep ``concurrency`` photos in flight for ``seconds``, or until ``count`` were asked."""
    requests = [quality_request(payload) for payload in payloads]
    latencies: list[float] = []
    errors = 0
    asked = 0
    async with grpc.aio.insecure_channel(
        address, options=[("grpc.max_receive_message_length", -1)]
    ) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for request in requests:
            await stub.ModelInfer(request)
        started = time.perf_counter()

        async def work() -> None:
            nonlocal asked, errors
            while (seconds is None or time.perf_counter() - started < seconds) and (
                count is None or asked < count
            ):
                request = requests[asked % len(requests)]
                asked += 1
                sent = time.perf_counter()
                try:
                    await stub.ModelInfer(request)
                except grpc.aio.AioRpcError:
                    errors += 1
                else:
                    latencies.append((time.perf_counter() - sent) * 1000.0)

        await asyncio.gather(*(work() for _ in range(concurrency)))
        wall_s = time.perf_counter() - started
    return Measurement(latencies_ms=tuple(latencies), wall_s=wall_s, errors=errors)


def main() -> None:
    """Measure and print one ``Measurement`` as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--count", type=int)
    options = parser.parse_args()
    payloads = folder_payloads(options.photos) if options.photos else packaged_payloads()
    measurement = asyncio.run(
        measure(
            options.address,
            payloads,
            concurrency=options.concurrency,
            seconds=options.seconds,
            count=options.count,
        )
    )
    print(measurement.to_json())  # noqa: T201 - the parent process reads it


if __name__ == "__main__":
    main()
