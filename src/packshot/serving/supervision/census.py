"""Stub processes that died or were stopped: seen in /proc long before a caller runs into them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from packshot.serving.shared_memory import remove_regions
from packshot.serving.stubs import STOPPED_OR_DEAD, Stub, cpu_seconds, find_stubs, process_state
from packshot.serving.supervision.metrics import FaultKind

_LOOKS: Final = 2
"""A stub that is being unloaded is dead for a moment, until Triton has reaped it."""
_RESCAN_S: Final = 0.5
_RETIREMENT_S: Final = 15.0
"""Longer than requests may wait in a queue (config.pbtxt)."""
_WORDS = {"T": "is stopped", "t": "is stopped by a debugger"}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something broken about one model.

    Attributes:
        model: Its name.
        kind: ``stub`` seen in the processes, or ``probe`` shown by an inference.
        reason: In words.
        pids: Processes that must go before it is loaded again.
    """

    model: str
    kind: FaultKind
    reason: str
    pids: tuple[int, ...] = ()


class StubCensus:
    """Watches the stubs of one server.

    Args:
        server: Process id of tritonserver.
    """

    def __init__(self, server: int) -> None:
        self._server = server
        self._stubs: dict[int, Stub] = {}
        self._bad_looks: dict[int, int] = {}
        self._retired: dict[int, tuple[Stub, float]] = {}
        self._scanned_at = 0.0

    def look(self) -> list[Fault]:
        """Faults that have been there at two looks in a row, one for each model."""
        if time.monotonic() - self._scanned_at >= _RESCAN_S:
            self.scan()
        found: dict[str, list[tuple[int, str]]] = {}
        for pid, stub in list(self._stubs.items()):
            state = process_state(pid)
            if not state:  # Unloaded, and reaped by Triton.
                self._forget(pid)
            elif state not in STOPPED_OR_DEAD:
                self._bad_looks.pop(pid, None)
            else:
                self._bad_looks[pid] = self._bad_looks.get(pid, 0) + 1
                if self._bad_looks[pid] >= _LOOKS:
                    found.setdefault(stub.model, []).append((pid, state))
        return [_fault(model, bad) for model, bad in found.items()]

    def scan(self) -> None:
        """Find new stubs. One that dies before it was found is never missed: it leaves no name."""
        self._scanned_at = time.monotonic()
        self._stubs.update(
            {
                stub.pid: stub
                for stub in find_stubs()
                if stub.parent == self._server and stub.pid not in self._retired
            }
        )
        self._end_retired(self._scanned_at)

    def is_server_stopped(self) -> bool:
        """Whether tritonserver itself is stopped (SIGSTOP, a debugger)."""
        return process_state(self._server) in ("T", "t")

    def pids_of(self, model: str) -> tuple[int, ...]:
        """All known stubs of a model."""
        # Also asked by the threads that probe.
        return tuple(pid for pid, stub in list(self._stubs.items()) if stub.model == model)

    def cpu_seconds(self, models: Iterable[str]) -> float:
        """CPU time that the stubs of these models have used."""
        return sum(cpu_seconds(pid) for model in models for pid in self.pids_of(model))

    def end(self, pids: Iterable[int]) -> list[str]:
        """Kill stubs, also stopped ones, and watch them no more.

        Returns:
            Their shared-memory regions, which nobody removes: that is the stubs' own last act.
        """
        regions = []
        for pid in pids:
            stub = self._stubs.get(pid)
            # Still ours: a stub that has ended stays a zombie until its server reaps it.
            if stub is not None:
                regions.append(stub.region)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._forget(pid)
        return regions

    def retire(self, model: str) -> None:
        """Leave the stubs of a model that was loaded anew the time to answer, then end them.

        Triton does not: the unloading of a model with a request in a dead stub never ends.
        """
        deadline = time.monotonic() + _RETIREMENT_S
        for pid in self.pids_of(model):
            self._retired[pid] = self._stubs[pid], deadline
            self._forget(pid)

    def _end_retired(self, now: float) -> None:
        for pid, (stub, deadline) in list(self._retired.items()):
            if process_state(pid) in ("", "Z"):
                del self._retired[pid]
            elif now > deadline:
                del self._retired[pid]
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                remove_regions(stub.region)

    def _forget(self, pid: int) -> None:
        self._stubs.pop(pid, None)
        self._bad_looks.pop(pid, None)


def _fault(model: str, bad: list[tuple[int, str]]) -> Fault:
    described = ", ".join(f"stub process {pid} {_WORDS.get(state, 'died')}" for pid, state in bad)
    return Fault(model=model, kind="stub", reason=described, pids=tuple(pid for pid, _state in bad))
