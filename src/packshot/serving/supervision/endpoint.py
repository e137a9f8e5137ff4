"""The supervisor's own HTTP endpoint, for load balancers, Kubernetes and Prometheus.

    GET /health/live            200 while the supervisor works and has not given up
    GET /health/ready           200 while every model has proved itself and nothing drains
    GET /health/models/MODEL    200 while that model has
    GET /metrics                Prometheus

It takes no requests for models: those go to Triton.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from packshot.errors import PortInUseError
from packshot.serving.ports import port_holder
from packshot.serving.supervision.board import HealthBoard
from packshot.serving.supervision.metrics import CONTENT_TYPE

_REQUEST_TIMEOUT_S = 5.0
_MODEL_PREFIX = "/health/models/"


class HealthEndpoint:
    """Serves the board and the metrics while a ``with`` block lasts.

    Args:
        board: What to tell.
        metrics: Gives the metrics as text.
        host: Address to bind to.
        port: Port to listen on.

    Raises:
        PortInUseError: The port is taken.
    """

    def __init__(
        self, board: HealthBoard, metrics: Callable[[], bytes], *, host: str, port: int
    ) -> None:
        class Handler(_Handler):
            pages = _Pages(board, metrics)

        try:
            self._server = _Server((host, port), Handler)
        except OSError as error:
            holder = port_holder(port)
            raise PortInUseError(
                f"cannot listen on {host}:{port} for health: {error.strerror or error}"
                f"{f' (held by {holder})' if holder else ''}. Choose another port: "
                f"packshot-serve --health-port {port + 10}"
            ) from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="health-endpoint", daemon=True
        )

    def __enter__(self) -> HealthEndpoint:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A probe that nobody answers is worse than one that waits.
    request_queue_size = 64


class _Pages:
    def __init__(self, board: HealthBoard, metrics: Callable[[], bytes]) -> None:
        self._board = board
        self._metrics = metrics

    def get(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        """Status, content type and content of a page."""
        if path == "/metrics":
            return HTTPStatus.OK, CONTENT_TYPE, self._metrics()
        if path == "/health/live":
            return self._answer(self._board.is_live())
        if path in ("/health/ready", "/health", "/"):
            return self._answer(self._board.is_ready())
        if path.startswith(_MODEL_PREFIX):
            healthy = self._board.is_healthy(path.removeprefix(_MODEL_PREFIX))
            if healthy is not None:
                return self._answer(healthy)
        return HTTPStatus.NOT_FOUND, "text/plain", b"/health/live /health/ready /metrics\n"

    def _answer(self, good: bool) -> tuple[HTTPStatus, str, bytes]:
        status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
        return status, "application/json", json.dumps(self._board.as_json()).encode() + b"\n"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _REQUEST_TIMEOUT_S
    pages: _Pages

    def do_GET(self) -> None:
        self._send(with_body=True)

    def do_HEAD(self) -> None:
        self._send(with_body=False)

    def version_string(self) -> str:
        return "packshot"

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing: a line for every probe would drown the server's own."""

    def _send(self, *, with_body: bool) -> None:
        status, kind, content = self.pages.get(self.path.partition("?")[0])
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(content)
