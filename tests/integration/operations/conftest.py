"""Replicas under supervision, and load on them."""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
from tritonclient.utils import InferenceServerException

from packshot.serving.ports import free_ports
from packshot.serving.stubs import Stub, find_stubs, process_ids

FAMILY = ("decode_image", "quality", "quality_net", "quality_verdict")
PATIENCE_S = 90.0


class Replica:
    """``packshot-serve --supervise`` in a process of its own."""

    def __init__(self, repository: Path, *options: str) -> None:
        self.grpc, self.http, self.metrics, self.health = free_ports(4)
        self._command = self._command_line(repository, options)
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start_again(self) -> None:
        self.process = self._start()

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.grpc}"

    def _command_line(self, repository: Path, options: tuple[str, ...]) -> list[str]:
        program = shutil.which("packshot-serve", path=str(Path(sys.executable).parent))
        assert program is not None
        return [
            program,
            "--supervise",
            f"--model-repository={repository}",
            f"--grpc-port={self.grpc}",
            f"--http-port={self.http}",
            f"--metrics-port={self.metrics}",
            f"--health-port={self.health}",
            *options,
        ]

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.health, timeout=20)
        with closing(connection):
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read().decode()
            except OSError as error:
                return 0, str(error)

    def is_ready(self) -> bool:
        return self.get("/health/ready")[0] == 200

    def counter(self, pattern: str) -> float:
        """Sum of the metrics whose lines match."""
        lines = self.get("/metrics")[1].splitlines()
        return sum(float(line.split()[-1]) for line in lines if re.match(pattern, line))

    def tritonserver(self) -> int:
        (pid,) = (
            pid
            for pid in process_ids()
            if f"--grpc-port={self.grpc}".encode() in command_of(pid).split(b"\0")
            and command_of(pid).split(b"\0")[0].endswith(b"tritonserver")
        )
        return pid

    def stubs(self, model: str) -> list[Stub]:
        server = self.tritonserver()
        return [stub for stub in find_stubs() if stub.parent == server and stub.model == model]


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def wait_until(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


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
def start_replica(family: Path) -> Iterator[Callable[..., Replica]]:
    """Starts replicas, and stops them after the module's tests."""
    started = []

    def start(*options: str) -> Replica:
        started.append(Replica(family, *options))
        return started[-1]

    yield start
    for replica in started:
        if replica.process.poll() is None:
            replica.stop()


@pytest.fixture
def put_load(photo_files: dict[str, bytes]) -> Callable[..., Load]:
    """Makes a load on addresses."""
    return lambda addresses, credentials=None: Load(addresses, photo_files["rocket"], credentials)


@pytest.fixture(scope="session")
def wait() -> Callable[..., None]:
    """Waits until a condition holds."""
    return wait_until
