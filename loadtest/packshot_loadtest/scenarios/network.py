"""A slow network: ``tc netem`` on an interface where allowed, a delaying proxy elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import threading
from collections.abc import Iterator
from types import TracebackType

from packshot_loadtest.errors import ScenarioError

_CHUNK = 256 * 1024


@contextlib.contextmanager
def netem(interface: str, *, delay_ms: float) -> Iterator[None]:
    """Delay everything that leaves an interface. It touches all traffic on it, not only the
    load's; needs the right to change the network (CAP_NET_ADMIN).

    Raises:
        ScenarioError: It is not allowed, or something else is set on the interface.
    """
    program = shutil.which("tc")
    if program is None:
        raise ScenarioError("tc is not installed (package iproute2); leave --interface out")
    base = [program, "qdisc"]
    rule = ["dev", interface, "root", "netem", "delay", f"{delay_ms:g}ms"]
    added = subprocess.run([*base, "add", *rule], capture_output=True, text=True, check=False)
    if added.returncode:
        raise ScenarioError(f"tc refused: {added.stderr.strip()}; leave --interface out")
    try:
        yield
    finally:
        subprocess.run([*base, "del", "dev", interface, "root"], capture_output=True, check=False)


class SlowProxy:
    """A TCP proxy to a server, whose delay can be changed while it runs.

    Args:
        host: Of the server.
        port: Of the server.

    Attributes:
        delay_s: Added to each chunk in each direction. Chunks keep their order and do not wait
            for each other, so it is latency and not a narrow line.
        port: Where it listens, on 127.0.0.1.
    """

    def __init__(self, host: str, port: int) -> None:
        self.delay_s = 0.0
        self.port = 0
        self._server = (host, port)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slow-proxy", daemon=True)

    def __enter__(self) -> SlowProxy:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        listener = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = listener.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        listener.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._server)
        except OSError:
            writer.close()
            return
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)
        sender = asyncio.create_task(self._send(chunks, writer))
        try:
            while data := await reader.read(_CHUNK):
                await chunks.put((self._loop.time() + self.delay_s, data))
            await chunks.put((0.0, b""))
            await sender
        except (OSError, asyncio.CancelledError):
            sender.cancel()
        finally:
            writer.close()

    async def _send(
        self, chunks: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        while True:
            due_s, data = await chunks.get()
            if not data:
                return
            await asyncio.sleep(due_s - self._loop.time())
            with contextlib.suppress(OSError):
                writer.write(data)
                await writer.drain()
