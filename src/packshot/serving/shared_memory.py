"""What the Python backend leaves behind when its server is killed: regions and stub processes.

Each model instance has a region in /dev/shm and a stub process. A server that stops cleanly
removes both; SIGKILL or the out-of-memory killer gives it no chance to.
"""

from __future__ import annotations

import os
import secrets
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SHARED_MEMORY: Final = Path("/dev/shm")
REGION_PREFIX: Final = "triton_python_backend_shm_region_"
OWN_PREFIX: Final = f"{REGION_PREFIX}packshot_"
STUB_NAME: Final = "triton_python_backend_stub"
_PARENT_ARGUMENT: Final = 5
_REGION_ARGUMENT: Final = 2


@dataclass(frozen=True, kw_only=True)
class Leftovers:
    """What dead servers had left, and is now gone.

    Attributes:
        stub_pids: Stub processes that were ended.
        regions: Files that were removed from /dev/shm.
        freed_bytes: Their size.
    """

    stub_pids: tuple[int, ...] = ()
    regions: tuple[str, ...] = ()
    freed_bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.stub_pids or self.regions)


def new_region_prefix() -> str:
    """A prefix for the regions of one server, which no other server has."""
    return f"{OWN_PREFIX}{os.getpid()}_{secrets.token_hex(4)}_"


def remove_regions(prefix: str, folder: Path = SHARED_MEMORY) -> list[str]:
    """Remove the regions of a server that has ended; returns their names."""
    removed = []
    for region in sorted(folder.glob(f"{prefix}*")):
        region.unlink(missing_ok=True)
        removed.append(region.name)
    return removed


def remove_leftovers(folder: Path = SHARED_MEMORY) -> Leftovers:
    """End the stubs and remove the regions of servers that are dead.

    A stub counts as left behind when it is one of ours, of this process namespace, and its
    parent is no longer the server it was started by. A region counts as left behind when it is
    this user's and no process has it mapped.
    """
    stubs = _orphaned_stubs()
    for pid in stubs:
        _kill(pid)
    mapped = _mapped_regions(ignored=frozenset(stubs))
    removed, freed = [], 0
    for region in sorted(folder.glob(f"{REGION_PREFIX}*")):
        try:
            found = region.stat()
            if found.st_uid != os.getuid() or region.name in mapped:
                continue
            region.unlink()
        except OSError:
            continue  # Another server's start was quicker.
        removed.append(region.name)
        freed += found.st_size
    return Leftovers(stub_pids=tuple(stubs), regions=tuple(removed), freed_bytes=freed)


def _processes() -> list[int]:
    return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]


def _orphaned_stubs() -> list[int]:
    own_namespace = _namespace(os.getpid())
    orphans = []
    for pid in _processes():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            if len(command) <= _PARENT_ARGUMENT or Path(command[0]).name != STUB_NAME:
                continue
            ours = command[_REGION_ARGUMENT].startswith(OWN_PREFIX)
            # In another namespace the pid that the stub was told means another process.
            if ours and _namespace(pid) == own_namespace:
                parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
                if parent != command[_PARENT_ARGUMENT]:
                    orphans.append(pid)
        except (OSError, UnicodeDecodeError):
            continue  # It ended meanwhile, or is another user's.
    return orphans


def _mapped_regions(*, ignored: frozenset[int]) -> set[str]:
    mapped: set[str] = set()
    for pid in _processes():
        if pid in ignored:
            continue
        try:
            lines = Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines()
        except OSError:
            continue
        mapped.update(
            line[line.index(REGION_PREFIX) :].split()[0] for line in lines if REGION_PREFIX in line
        )
    return mapped


def _namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
