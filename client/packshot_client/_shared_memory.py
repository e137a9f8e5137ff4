"""Shared memory: pixels for a server on the same host, without copying them through the network.

A region is a file in /dev/shm that its owner holds locked. The lock ends with the process, however
it ends, so the next client can tell what a crash has left: :func:`orphans` are regions that nobody
holds, which it takes from the server and deletes. Only the same user may read a region.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from packshot_client._calls import Call
from packshot_client._exceptions import ConfigError
from packshot_client._protocol import METHODS, messages

_FOLDER: Final = Path("/dev/shm")
_PREFIX: Final = "packshot_pixels_"


class Region:
    """Shared memory of equal slots, one for each call under way.

    Args:
        slot_bytes: Size of each.
        slots: How many.

    Attributes:
        name: Under which the server registers it.

    Raises:
        ConfigError: There is no shared memory here, or not enough.
    """

    def __init__(self, slot_bytes: int, slots: int) -> None:
        self.name = _PREFIX + os.urandom(8).hex()
        self.slot_bytes = slot_bytes
        self.byte_size = slot_bytes * slots
        self._path = _FOLDER / self.name
        unlocked = _FOLDER / f".{self.name}"
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
            self._file = os.open(unlocked, flags, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            # Named only when locked, so that nobody takes it for an orphan.
            unlocked.rename(self._path)
            # Not ftruncate: with too little memory that would end in SIGBUS at the first write.
            os.posix_fallocate(self._file, 0, self.byte_size)
            self._memory = mmap.mmap(self._file, self.byte_size)
        except OSError as error:
            for path in (unlocked, self._path):
                path.unlink(missing_ok=True)
            raise ConfigError(
                f"shared memory needs {self.byte_size:,} free bytes in {_FOLDER}: "
                f"{error.strerror}. Give the container more, or switch shared_memory off"
            ) from error
        self._free = list(range(slots))
        self._available = threading.Semaphore(slots)

    @property
    def key(self) -> str:
        """Under which the operating system knows it."""
        return f"/{self.name}"

    @contextmanager
    def slot(self) -> Iterator[int | None]:
        """The offset of a slot for one call; ``None`` if all are taken."""
        if not self._available.acquire(blocking=False):
            yield None
            return
        index = self._free.pop()
        try:
            yield index * self.slot_bytes
        finally:
            # A server may still read for a call that was given up: nobody sees what it makes of it.
            self._free.append(index)
            self._available.release()

    def write(self, offset: int, data: bytes) -> None:
        """Put ``data`` at ``offset``."""
        self._memory[offset : offset + len(data)] = data

    def registration(self, timeout_s: float) -> Call[Any]:
        """The call that has a server map it."""
        return Call(
            method=METHODS["SystemSharedMemoryRegister"],
            message=messages.SystemSharedMemoryRegisterRequest(
                name=self.name, key=self.key, byte_size=self.byte_size
            ),
            timeout_s=timeout_s,
            read=lambda _: None,
        )

    def close(self) -> None:
        """Let go of the memory; safe to repeat."""
        self._path.unlink(missing_ok=True)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._memory.close()


def unregistration(region: str, timeout_s: float) -> Call[Any]:
    """The call that has a server let go of a region."""
    return Call(
        method=METHODS["SystemSharedMemoryUnregister"],
        message=messages.SystemSharedMemoryUnregisterRequest(name=region),
        timeout_s=timeout_s,
        read=lambda _: None,
    )


def orphans() -> list[str]:
    """Names of regions whose owners have died; their files are deleted here."""
    found = []
    for path in _FOLDER.glob(f"{_PREFIX}*"):
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            # Gone meanwhile, or another user's.
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            path.unlink(missing_ok=True)
            found.append(path.name)
        finally:
            os.close(file)
    return found
