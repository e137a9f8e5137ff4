"""A child process in a group of its own, with its output kept and a patient way to end it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence

LineSink = Callable[[str], None]

_READER_TIMEOUT_S = 2.0


class ChildProcess:
    """Starts at once.

    Args:
        command: Program and arguments.
        environment: Its whole environment.
        on_line: Called, from another thread, with each line it prints.
        tail_lines: How many of its last lines are kept.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        on_line: LineSink | None = None,
        tail_lines: int = 300,
    ) -> None:
        self._lines: deque[str] = deque(maxlen=tail_lines)
        self._on_line = on_line
        self._group_ended = False
        # A session of its own: Ctrl-C in the terminal reaches only the launcher, which drains
        # the server, and the group can be ended as a whole, stubs included.
        self._process = subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="child-output", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id, which is also the id of the group."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status; ``None`` while it runs; minus the signal if one ended it."""
        return self._process.poll()

    def tail(self) -> str:
        """The last lines it printed."""
        return "\n".join(self._lines)

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Exit status once it has ended, ``None`` if it has not by then."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self, patience_s: float) -> int:
        """Ask it to stop (SIGTERM), and end its group only when that takes too long."""
        if self.returncode is None:
            # To the one process, not the group: the server still needs its stubs to drain.
            self._process.send_signal(signal.SIGTERM)
            self.wait(patience_s)
        return self.kill()

    def kill(self) -> int:
        """End every process of the group at once; returns the child's exit status."""
        if not self._group_ended:
            with contextlib.suppress(ProcessLookupError):  # All have ended.
                os.killpg(self.pid, signal.SIGKILL)
            # From now on the system may give the id to somebody else's group.
            self._group_ended = True
        status = self._process.wait()
        self._reader.join(_READER_TIMEOUT_S)
        return status

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        with stream:
            for raw in stream:
                line = raw.rstrip("\n")
                self._lines.append(line)
                if self._on_line is not None:
                    self._on_line(line)
