"""The processes in which Triton's Python backend runs models: one *stub* for each instance."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STUB_NAME: Final = "triton_python_backend_stub"
STOPPED_OR_DEAD: Final = frozenset("TtZX")
"""States, as in ``/proc/PID/stat``, in which a process answers nobody."""

_REGION_ARGUMENT, _SERVER_ARGUMENT, _INSTANCE_ARGUMENT = 2, 5, 8
_CPU_FIELDS = slice(11, 13)
"""In user mode and in the kernel, among the fields of ``_stat_fields``."""
_INSTANCE = re.compile(r"(?P<model>.+)_\d+_\d+$")


@dataclass(frozen=True, kw_only=True)
class Stub:
    """One stub process.

    Attributes:
        pid: Its process id.
        parent: Its parent's now; another process's than ``server`` when that has died.
        server: Process id of the server that started it, in the server's namespace.
        region: Name of its shared-memory region.
        model: The model it runs.
    """

    pid: int
    parent: int
    server: int
    region: str
    model: str


def process_ids() -> list[int]:
    """Every process that can be seen from here."""
    return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]


def process_state(pid: int) -> str:
    """The one-letter state of ``/proc/PID/stat``; empty if there is no such process."""
    return (_stat_fields(pid) or [""])[0]


def parent_of(pid: int) -> int | None:
    """The process that started it, or has taken it over; ``None`` if there is no such process."""
    fields = _stat_fields(pid)
    return int(fields[1]) if fields else None


def cpu_seconds(pid: int) -> float:
    """CPU time that the process has used; 0 if there is no such process."""
    fields = _stat_fields(pid)
    return sum(map(int, fields[_CPU_FIELDS])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def find_stubs() -> list[Stub]:
    """All stubs but those that have ended and are not reaped yet: they have no command line."""
    return [stub for stub in map(_stub, process_ids()) if stub is not None]


def _stub(pid: int) -> Stub | None:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (OSError, UnicodeDecodeError):
        return None  # It ended meanwhile, or is another user's.
    if len(command) <= _SERVER_ARGUMENT or Path(command[0]).name != STUB_NAME:
        return None
    fields = _stat_fields(pid)
    if not fields or not command[_SERVER_ARGUMENT].isdecimal():
        return None
    return Stub(
        pid=pid,
        parent=int(fields[1]),
        server=int(command[_SERVER_ARGUMENT]),
        region=command[_REGION_ARGUMENT],
        model=_model(command),
    )


def _model(command: list[str]) -> str:
    # Instances are named after their model, unless its configuration names them; the path of
    # the file does not say it either when the repository was copied from a remote one.
    if len(command) > _INSTANCE_ARGUMENT:
        match = _INSTANCE.match(command[_INSTANCE_ARGUMENT])
        if match:
            return match["model"]
    return Path(command[1]).parent.parent.name


def _stat_fields(pid: int) -> list[str]:
    """State, parent and so on: what follows the name, which may hold spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
