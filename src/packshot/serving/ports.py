"""TCP ports of this machine: which are free, and who holds the others."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

_LISTENING = "0A"
_RELEASE_TIMEOUT_S = 5.0


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Different ports that nothing listens on now, for servers of tests and benchmarks."""
    with contextlib.ExitStack() as stack:
        # All are held until the last is found, so that none comes twice.
        trials = [
            stack.enter_context(socket.socket(_family(host), socket.SOCK_STREAM))
            for _ in range(count)
        ]
        for trial in trials:
            trial.bind((host, 0))
        ports = [int(trial.getsockname()[1]) for trial in trials]
    # Seen on a watched machine: a closed socket holds its port for some moments more.
    deadline = time.monotonic() + _RELEASE_TIMEOUT_S
    while any(bind_obstacle(host, port) for port in ports) and time.monotonic() < deadline:
        time.sleep(0.02)
    return ports


def bind_obstacle(host: str, port: int) -> str | None:
    """Why a server cannot listen there, in the system's words; ``None`` if it can."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as trial:
        # As tritonserver binds: connections still closing on the port do not hinder it.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return None


def port_holder(port: int) -> str | None:
    """``name, pid N`` of the process that listens on a port, if this user may see it."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return None
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            if any(_target(link) in sockets for link in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()}, pid {process.name}"
        except OSError:
            continue  # It ended meanwhile, or is another user's.
    return None


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""  # Closed meanwhile.


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        for fields in map(str.split, lines):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    return inodes
