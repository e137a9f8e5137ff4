"""A peer's server, or packshot's, for as long as a ``with`` block lasts."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import urllib3

from packshot.errors import ServingError
from packshot.serving.child import ChildProcess
from packshot.serving.options import ServerConfig
from packshot.serving.ports import free_ports
from packshot.serving.process import TritonProcess
from packshot_loadtest.errors import PeerError
from packshot_loadtest.generator.calls import Target
from packshot_loadtest.generator.http_calls import PEER_PATH, PHOTO_HEADERS
from packshot_loadtest.mix import RequestKind
from packshot_loadtest.peers.catalogue import PACKSHOT, Peer
from packshot_loadtest.peers.pipeline import PipelineSettings
from packshot_loadtest.server_view import process_usage

_POLL_S: Final = 0.1
_STOP_S: Final = 20.0


@dataclass(frozen=True, kw_only=True)
class LiveServer:
    """A server that answers.

    Attributes:
        name: For tables.
        target: How to reach it.
        kind: What to ask it.
        metrics: ``host:port`` of Triton's metrics; empty for peers.
        cold_start_s: From its start to its first right answer.
        pid: Of its first process.
    """

    name: str
    target: Target
    kind: RequestKind
    metrics: str
    cold_start_s: float
    pid: int

    def memory_mib(self) -> float:
        """Proportional set size of all its processes."""
        memory, _ = process_usage(self.pid)
        return (memory or 0.0) / 2**20


@contextlib.contextmanager
def packshot_server(repository: Path) -> Iterator[LiveServer]:
    """packshot on Triton, as it ships.

    Raises:
        PeerError: It does not start.
    """
    config = ServerConfig.on_free_ports(repository)
    server = TritonProcess(config, start_timeout_s=180.0)
    started_s = time.monotonic()
    try:
        server.start()
    except ServingError as error:
        raise PeerError(f"{PACKSHOT} did not start: {error}") from error
    try:
        yield LiveServer(
            name=PACKSHOT,
            target=Target(grpc=server.grpc_address, http=f"{config.local_host}:{config.http_port}"),
            kind=RequestKind(action="score"),
            metrics=f"{config.local_host}:{config.metrics_port}",
            cold_start_s=time.monotonic() - started_s,
            pid=server.pid,
        )
    finally:
        server.stop()


@contextlib.contextmanager
def peer_server(
    peer: Peer,
    python: Path,
    pipeline: PipelineSettings,
    photo: bytes,
    *,
    processes: int,
    start_timeout_s: float = 180.0,
) -> Iterator[LiveServer]:
    """A peer in its own environment, ready when it has scored a photo.

    Args:
        peer: Which.
        python: Interpreter of its environment.
        pipeline: The work.
        photo: To prove itself with.
        processes: Processes that do the work.
        start_timeout_s: How long it may take.

    Raises:
        PeerError: It ends, or does not answer in time.
    """
    (port,) = free_ports(1)
    command = [str(python), "-m", peer.module, "--port", str(port)]
    command += ["--processes", str(processes), "--threads", str(pipeline.threads)]
    command += ["--repository", str(pipeline.repository.resolve()), "--engine", pipeline.engine]
    if pipeline.onnx is not None:
        command += ["--onnx", str(pipeline.onnx.resolve())]
    environment = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    started_s = time.monotonic()
    child = ChildProcess(command, environment=environment)
    try:
        _wait(child, peer, port, photo, deadline_s=started_s + start_timeout_s)
        yield LiveServer(
            name=peer.name,
            target=Target(grpc="", http=f"127.0.0.1:{port}"),
            kind=RequestKind(action="score", protocol="peer"),
            metrics="",
            cold_start_s=time.monotonic() - started_s,
            pid=child.pid,
        )
    finally:
        child.terminate(_STOP_S)


def _wait(child: ChildProcess, peer: Peer, port: int, photo: bytes, *, deadline_s: float) -> None:
    with urllib3.HTTPConnectionPool("127.0.0.1", port, timeout=30.0, retries=False) as pool:
        while True:
            if child.returncode is not None:
                raise PeerError(f"{peer.name} ended while it started:\n{child.tail()[-3000:]}")
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if pool.urlopen("POST", PEER_PATH, body=photo, headers=PHOTO_HEADERS).status == 200:
                    return
            if time.monotonic() > deadline_s:
                raise PeerError(f"{peer.name} did not answer in time:\n{child.tail()[-3000:]}")
            time.sleep(_POLL_S)
