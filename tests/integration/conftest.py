"""Helpers to call and to start live servers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc

from packshot.serving.options import ServerConfig
from packshot.serving.process import TritonProcess
from packshot.serving.stubs import process_state
from packshot_client import ClientConfig

DEADLINE_S = 120.0


@pytest.fixture(autouse=True, scope="session")
def patient_clients() -> Iterator[None]:
    """Clients whose tests ask for no deadline wait a minute: the machine has other things to do."""
    defaults = cast(dict[str, Any], ClientConfig.__init__.__kwdefaults__)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("timeout_s", "health_timeout_s"):
            patch.setitem(defaults, name, 60.0)
        yield


@pytest.fixture(scope="session")
def freeze_process() -> Callable[[int], None]:
    """Stop every thread of a process, as SIGSTOP does some time after ``kill`` has returned."""

    def freeze(pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        deadline = time.monotonic() + 30
        # A thread has a state of its own under its own number; none is left of one that has ended.
        while running := {process_state(thread) for thread in threads_of(pid)} - {"T", ""}:
            assert time.monotonic() < deadline, f"process {pid} has threads in {running}"
            time.sleep(0.001)

    return freeze


def threads_of(pid: int) -> list[int]:
    return [int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir()]


def bytes_input(name: str, values: list[bytes]) -> triton_grpc.InferInput:
    array = np.empty((len(values), 1), dtype=np.object_)
    array[:, 0] = values
    return array_input(name, array, "BYTES")


def array_input(name: str, array: Any, dtype: str) -> triton_grpc.InferInput:
    tensor = triton_grpc.InferInput(name, list(array.shape), dtype)
    tensor.set_data_from_numpy(array)
    return tensor


@dataclass(frozen=True)
class Caller:
    """Calls one live server over one channel."""

    client: triton_grpc.InferenceServerClient

    def score(self, *images: bytes, policies: list[bytes] | None = None) -> dict[str, Any]:
        return self.infer("quality", *self.inputs(images, policies))

    def infer(self, model: str, *tensors: triton_grpc.InferInput) -> dict[str, Any]:
        answer = self.client.infer(model, list(tensors), client_timeout=DEADLINE_S)
        return {out.name: answer.as_numpy(out.name) for out in answer.get_response().outputs}

    def start(self, model: str, *tensors: triton_grpc.InferInput) -> Future[dict[str, Any]]:
        """As ``infer``, without waiting."""
        future: Future[dict[str, Any]] = Future()

        def done(result: Any, error: Any) -> None:
            if error is not None:
                future.set_exception(error)
                return
            names = [out.name for out in result.get_response().outputs]
            future.set_result({name: result.as_numpy(name) for name in names})

        self.client.async_infer(model, list(tensors), done, client_timeout=DEADLINE_S)
        return future

    def start_score(self, *images: bytes) -> Future[dict[str, Any]]:
        return self.start("quality", *self.inputs(images, None))

    def start_scores_that_wait(self, photo: bytes) -> list[Future[dict[str, Any]]]:
        """Calls of which the first is answered and more than five are not."""
        answers: list[Future[dict[str, Any]]] = []
        # On a busy machine all may be answered before this process is told of the first.
        while sum(not answer.done() for answer in answers) <= 5:
            answers = [self.start_score(photo) for _ in range(24)]
            answers[0].result(60)
        return answers

    def inputs(
        self, images: tuple[bytes, ...], policies: list[bytes] | None
    ) -> list[triton_grpc.InferInput]:
        tensors = [bytes_input("IMAGE", list(images))]
        return tensors + ([bytes_input("POLICY", policies)] if policies else [])

    def batch_sizes(self, model: str) -> dict[int, int]:
        """How many batches of each size the model has computed so far."""
        statistics = self.client.get_inference_statistics(model, as_json=True)
        batches = statistics["model_stats"][0].get("batch_stats", [])
        return {int(b["batch_size"]): int(b["compute_infer"]["count"]) for b in batches}

    def verdict(self, answer: dict[str, Any], index: int = 0) -> dict[str, Any]:
        verdict: dict[str, Any] = json.loads(answer["VERDICT"][index, 0])
        return verdict


@pytest.fixture
def connect() -> Iterator[Callable[[str], Caller]]:
    """Opens callers, and closes them after the test."""
    clients = []

    def open_caller(address: str) -> Caller:
        clients.append(triton_grpc.InferenceServerClient(address))
        return Caller(clients[-1])

    yield open_caller
    for client in clients:
        client.close()


@pytest.fixture
def caller(triton: TritonProcess, connect: Callable[[str], Caller]) -> Caller:
    """Calls the session's server."""
    return connect(triton.grpc_address)


@pytest.fixture
def own_config(repository: Path) -> Callable[..., ServerConfig]:
    """Configurations of servers that a test has to itself, on free ports."""

    def configuration(**changes: Any) -> ServerConfig:
        return ServerConfig.on_free_ports(**{"model_repository": repository, **changes})

    return configuration


@pytest.fixture
def copied_repository(repository: Path, tmp_path: Path) -> Path:
    """A copy of the model repository that a test may damage."""
    return Path(shutil.copytree(repository, tmp_path / "model_repository"))
