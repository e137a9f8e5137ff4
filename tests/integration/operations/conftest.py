"""Replicas under supervision, and load on them."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
from tritonclient.utils import InferenceServerException

from packshot.serving.replica import Replica
from packshot.serving.stubs import parent_of, process_ids, process_state

FAMILY = ("quality", "quality_net")
PATIENCE_S = 150.0


class WatchedReplica(Replica):
    """A replica whose server tests kill."""

    def tritonserver(self) -> int:
        """Process id of the server it has now."""
        (pid,) = (
            pid
            for pid in process_ids()
            if parent_of(pid) == self.process.pid and process_state(pid) not in ("", "Z")
        )
        return pid


def wait_until(
    condition: Callable[[], object], timeout_s: float = PATIENCE_S, *, what: str = "it"
) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what} in vain"
        time.sleep(0.05)


def stop_all(replicas: list[WatchedReplica]) -> list[int]:
    """Side by side, as each drains for some seconds; their exit statuses."""
    for replica in replicas:
        replica.process.terminate()
    return [replica.process.wait(PATIENCE_S) for replica in replicas]


class Load:
    """Scores one photo over and over; a call that one replica fails is made to the next.

    Attributes:
        scores: What was answered.
        refused: Answers "no" of single replicas, which another one made good.
        failed: Calls that no replica answered.
    """

    def __init__(
        self,
        addresses: list[str],
        photo: bytes,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self.scores: list[float] = []
        self.refused: list[str] = []
        self.failed: list[str] = []
        self._photo = photo
        self._addresses = addresses
        self._credentials = credentials
        # With one address there is a balancer behind it, whose task trying again is.
        self._attempts = 2 * len(addresses) if len(addresses) > 1 else 1
        self._ending = threading.Event()

    @contextmanager
    def running(self, threads: int = 2) -> Iterator[None]:
        workers = [threading.Thread(target=self._work, args=[i]) for i in range(threads)]
        for worker in workers:
            worker.start()
        try:
            yield
        finally:
            self._ending.set()
            for worker in workers:
                worker.join()

    def _work(self, first: int) -> None:
        clients = [
            triton_grpc.InferenceServerClient(
                address, ssl=self._credentials is not None, creds=self._credentials
            )
            for address in self._addresses
        ]
        turn = first
        while not self._ending.is_set():
            turn += 1
            error = ""
            for attempt in range(self._attempts):
                error = self._call(clients[(turn + attempt) % len(clients)])
                if not error:
                    break
                self.refused.append(error)
            if error:
                self.failed.append(error)
                time.sleep(0.1)
        for client in clients:
            client.close()

    def _call(self, client: triton_grpc.InferenceServerClient) -> str:
        tensor = triton_grpc.InferInput("IMAGE", [1, 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[self._photo]], dtype=np.object_))
        try:
            answer = client.infer("quality", [tensor], client_timeout=PATIENCE_S)
        except InferenceServerException as error:
            return str(error)
        self.scores.append(float(answer.as_numpy("SCORE")[0, 0]))
        return ""


@pytest.fixture(scope="module")
def family(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quality models alone: what the tests kill starts quickly."""
    folder = tmp_path_factory.mktemp("repository")
    for model in FAMILY:
        shutil.copytree(repository / model, folder / model)
    return folder


@pytest.fixture(scope="module")
def start_replica(family: Path) -> Iterator[Callable[..., WatchedReplica]]:
    """Starts replicas, and stops them after the module's tests."""
    started = []

    def start(*options: str) -> WatchedReplica:
        started.append(WatchedReplica(family, *options))
        return started[-1]

    yield start
    stop_all(started)


@pytest.fixture
def put_load(photo_files: dict[str, bytes]) -> Callable[..., Load]:
    """Makes a load on addresses."""
    return lambda addresses, credentials=None: Load(addresses, photo_files["rocket"], credentials)


@pytest.fixture(scope="session")
def wait() -> Callable[..., None]:
    """Waits until a condition holds."""
    return wait_until


@pytest.fixture(scope="session")
def stop_replicas() -> Callable[[list[WatchedReplica]], list[int]]:
    """Stops several replicas at once."""
    return stop_all
