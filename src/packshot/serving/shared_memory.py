"""What the Python backend leaves behind when its server is killed: regions and stub processes.

Each model instance has a region in /dev/shm and a stub process. A server that stops cleanly
removes both; SIGKILL or the out-of-memory killer gives it no chance to.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packshot.serving.stubs import find_stubs, process_ids

SHARED_MEMORY: Final = Path("/dev/shm")
REGION_PREFIX: Final = "triton_python_backend_shm_region_"
OWN_PREFIX: Final = f"{REGION_PREFIX}packshot_"
_FOREIGN_AGE_S: Final = 60.0


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
    return f"{_namespace_prefix()}{os.getpid()}-{secrets.token_hex(4)}_"


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
    parent is no longer the server it was started by. One of our regions does when no process
    has its server's prefix on its command line: a server has it there before it makes the
    region. Regions of servers that others started must have been unmapped for a minute or more.
    """
    stubs = _orphaned_stubs()
    for pid in stubs:
        _kill(pid)
    # Listed before the processes are looked at: a server that starts meanwhile is not at risk.
    regions = sorted(folder.glob(f"{REGION_PREFIX}*"))
    in_use = _names_in_use(ignored=frozenset(stubs)) if regions else ""
    removed, freed = [], 0
    for region in regions:
        try:
            found = region.stat()
            if found.st_uid != os.getuid() or not _is_left(region.name, found.st_mtime, in_use):
                continue
            region.unlink()
        except FileNotFoundError:
            continue  # Another server's start was quicker, or its stub went by itself.
        removed.append(region.name)
        freed += found.st_size
    return Leftovers(stub_pids=tuple(stubs), regions=tuple(removed), freed_bytes=freed)


def _is_left(name: str, modified_at: float, in_use: str) -> bool:
    if name in in_use:
        return False
    if name.startswith(_namespace_prefix()):
        server = name[: name.index("_", len(_namespace_prefix())) + 1]
        return server not in in_use
    # Ours, but of a container that shares /dev/shm: its processes cannot be seen from here.
    return not name.startswith(OWN_PREFIX) and time.time() - modified_at > _FOREIGN_AGE_S


def _orphaned_stubs() -> list[int]:
    own_namespace = _namespace(os.getpid())
    return [
        stub.pid
        for stub in find_stubs()
        # In another namespace the pid that the stub was told means another process.
        if stub.region.startswith(OWN_PREFIX)
        and _namespace(stub.pid) == own_namespace
        and stub.parent != stub.server
    ]


def _names_in_use(*, ignored: frozenset[int]) -> str:
    """All that names a region on a command line or in a memory map, as one text to search."""
    found: list[str] = []
    for pid in process_ids():
        if pid in ignored:
            continue
        try:
            found.append(Path(f"/proc/{pid}/cmdline").read_text(errors="replace"))
            maps = Path(f"/proc/{pid}/maps").read_text(errors="replace")
        except OSError:
            continue
        found += [line for line in maps.splitlines() if REGION_PREFIX in line]
    return "\n".join(text for text in found if REGION_PREFIX in text)


def _namespace_prefix() -> str:
    number = "".join(filter(str.isdecimal, _namespace(os.getpid())))
    return f"{OWN_PREFIX}{number}-"


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
