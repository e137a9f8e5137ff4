"""Models that answer from threads of their own: many requests at a time, or many responses each.

An ordinary stage (``packshot.serving.backend``) answers all requests of a batch before Triton
gives it the next. A *sending stage* answers each in a thread, so that those that wait for other
models wait side by side, and the calls of many meet in one batch there. A decoupled model sends
as many responses as it likes, any other exactly one.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

import numpy as np

from packshot.contracts import ModelSpec
from packshot.serving.backend import TensorExchange, Tensors
from packshot.serving.stage_context import StageContext

CONCURRENT_REQUESTS: Final = 4
"""How many are answered at a time where the configuration does not say."""


class SendingStage(Protocol):
    """The code of one such model."""

    spec: ModelSpec

    def answer(
        self,
        request: Tensors,
        send: Callable[[Tensors], None],
        is_cancelled: Callable[[], bool],
    ) -> Tensors:
        """Give ``send`` all responses but the last, which is returned; raise what goes wrong.

        Called in several threads. Only decoupled models may send.
        """

    def close(self) -> None:
        """Give back threads and memory."""


class SendingAdapter:
    """Runs one sending stage on the requests of Triton's Python backend.

    Args:
        stage: The model's code.
        pb_utils: The module ``triton_python_backend_utils`` of the stub.
        concurrent: Requests answered at a time. More wait in Triton's queue, whose policy refuses
            what waits too long.
    """

    def __init__(self, stage: SendingStage, pb_utils: Any, concurrent: int) -> None:
        self._stage = stage
        self._exchange = TensorExchange(stage.spec, pb_utils)
        self._final = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        self._places = threading.BoundedSemaphore(concurrent)
        self._pool = ThreadPoolExecutor(concurrent, thread_name_prefix=stage.spec.name)

    def execute(self, requests: Sequence[Any]) -> None:
        """Take requests; returns when there is a place for each."""
        for request in requests:
            sender = request.get_response_sender()
            found = self._exchange.inputs(request)
            if isinstance(found, Exception):
                sender.send(self._exchange.response(found), flags=self._final)
                continue
            # The tensors lie in memory that goes back with the request.
            copied = {name: np.array(array) for name, array in found.items()}
            self._places.acquire()
            self._pool.submit(self._answer, copied, sender)

    def close(self) -> None:
        """Wait for those under way, and stop."""
        self._pool.shutdown(wait=True)
        self._stage.close()

    def _answer(self, request: Tensors, sender: Any) -> None:
        try:
            last = self._last_answer(request, sender)
            sender.send(self._exchange.response(last), flags=self._final)
        finally:
            self._places.release()

    def _last_answer(self, request: Tensors, sender: Any) -> Tensors | Exception:
        def send(response: Tensors) -> None:
            sender.send(self._exchange.response(response))

        try:
            return self._stage.answer(request, send, sender.is_cancelled)
        except Exception as error:  # noqa: BLE001 - belongs to this request alone
            return error


def sending_model(factory: Callable[[StageContext], SendingStage]) -> type[Any]:
    """As ``backend.python_model``, for a sending stage.

    Its parameter ``concurrent_requests`` in ``config.pbtxt`` is the number of threads, 0 for
    ``CONCURRENT_REQUESTS``.
    """

    class TritonPythonModel:
        def initialize(self, args: Mapping[str, str]) -> None:
            pb_utils = importlib.import_module("triton_python_backend_utils")
            context = StageContext.from_arguments(args)
            concurrent = context.count("concurrent_requests", 0) or CONCURRENT_REQUESTS
            self._adapter = SendingAdapter(factory(context), pb_utils, concurrent)

        def execute(self, requests: Sequence[Any]) -> None:
            self._adapter.execute(requests)

        def finalize(self) -> None:
            self._adapter.close()

    return TritonPythonModel
