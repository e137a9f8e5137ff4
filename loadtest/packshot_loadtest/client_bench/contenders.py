"""Contenders: the ways to ask ``quality`` about one photo that the benchmark compares.

All send the same photo. The bare stub sends the bytes that packshot sends, as one finished message
again and again, and reads nothing of the answer: it is the bound. The stub whose caller reads sends
the same, and reads what packshot's result holds: the numbers of two tensors and the verdict's JSON,
unchecked, into a dict. The other two also build their requests: tritonclient hands out numpy
arrays, and its caller reads the verdict's JSON; packshot gives a typed, checked result, and its
caller looks at all of it but the quality map.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from typing import Any, Final

import grpc
import grpc.aio
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from packshot.contracts import ATTRIBUTE_VALUES, IMAGE, QUALITY, SCORE, VERDICT
from packshot_client import AsyncPackshotClient, ClientConfig, PackshotClient, QualityResult
from packshot_loadtest.closed_loop import quality_request

Call = Callable[[], Any]
AsyncCall = Callable[[], Awaitable[Any]]

TIMEOUT_S: Final = 60.0
BARE, READ, TRITON, PACKSHOT = "bare stub", "stub and reading", "tritonclient", "packshot"
CONTENDERS: Final = (BARE, READ, TRITON, PACKSHOT)


def sync_call(name: str, address: str, photo: bytes, stack: ExitStack) -> Call:
    """A function that makes one call; threads may share it."""
    if name in (BARE, READ):
        channel = stack.enter_context(grpc.insecure_channel(address))
        send = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        message = _whole_request(photo)
        if name == READ:
            return lambda: _read_stub(send(message, timeout=TIMEOUT_S))
        return lambda: send(message, timeout=TIMEOUT_S)
    if name == TRITON:
        import tritonclient.grpc as triton

        other = stack.enter_context(triton.InferenceServerClient(address))

        def ask() -> None:
            inputs = [_triton_input(triton, photo)]
            answer = other.infer(QUALITY.name, inputs, client_timeout=TIMEOUT_S)
            _read_triton(answer)

        return ask
    config = ClientConfig(timeout_s=TIMEOUT_S)
    client = stack.enter_context(PackshotClient(address, config=config))
    return lambda: _read_own(client.score(photo))


async def async_call(name: str, address: str, photo: bytes, stack: AsyncExitStack) -> AsyncCall:
    """As :func:`sync_call`, for asyncio."""
    if name in (BARE, READ):
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        send = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        message = _whole_request(photo)
        if name == BARE:
            return lambda: send(message, timeout=TIMEOUT_S)

        async def ask_stub() -> None:
            _read_stub(await send(message, timeout=TIMEOUT_S))

        return ask_stub
    if name == TRITON:
        import tritonclient.grpc.aio as triton

        other = await stack.enter_async_context(triton.InferenceServerClient(address))

        async def ask() -> None:
            inputs = [_triton_input(triton, photo)]
            answer = await other.infer(QUALITY.name, inputs, client_timeout=TIMEOUT_S)
            _read_triton(answer)

        return ask
    config = ClientConfig(timeout_s=TIMEOUT_S)
    client = await stack.enter_async_context(AsyncPackshotClient(address, config=config))

    async def ask_own() -> None:
        _read_own(await client.score(photo))

    return ask_own


def _whole_request(photo: bytes) -> service_pb2.ModelInferRequest:
    """The message of one of packshot's calls: named outputs, an id and a time limit as well."""
    request = quality_request(photo)
    request.id = "0123456789abcdef" * 2
    for tensor in QUALITY.outputs:
        request.outputs.add(name=tensor.name)
    request.parameters["timeout"].int64_param = int(TIMEOUT_S * 1e6)
    return request


def _read_own(result: QualityResult) -> tuple[Any, ...]:
    return (
        result.score,
        result.decision,
        result.attributes,
        result.reasons,
        result.advice,
        result.image,
    )


def _read_stub(answer: service_pb2.ModelInferResponse) -> tuple[float, Any, Any]:
    contents = {
        tensor.name: data
        for tensor, data in zip(answer.outputs, answer.raw_output_contents, strict=True)
    }
    attributes = contents[ATTRIBUTE_VALUES.name]
    return (
        struct.unpack("<f", contents[SCORE.name])[0],
        struct.unpack(f"<{len(attributes) // 4}f", attributes),
        # Before the text stands its length.
        json.loads(contents[VERDICT.name][4:]),
    )


def _read_triton(answer: Any) -> tuple[float, Any, Any]:
    verdict = json.loads(answer.as_numpy(VERDICT.name)[0, 0])
    return (
        float(answer.as_numpy(SCORE.name)[0, 0]),
        answer.as_numpy(ATTRIBUTE_VALUES.name)[0],
        verdict,
    )


def _triton_input(triton: Any, photo: bytes) -> Any:
    tensor = triton.InferInput(IMAGE.name, [1, 1], IMAGE.dtype)
    tensor.set_data_from_numpy(np.array([[photo]], dtype=np.object_))
    return tensor
