"""One packshot-export at a time for each model."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from packshot_export.errors import BusyError, VersionError


@contextlib.contextmanager
def model_lock(model: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of a model folder; the system frees it when its holder dies.

    The lock is a file beside the model's folder: one in it would look like a change to Triton.

    Args:
        model: The folder.
        wait_s: How long to wait for another process to let go.

    Raises:
        BusyError: Another process holds it.
        VersionError: The repository cannot be written to.
    """
    path = model.parent / f".{model.name}.lock"
    holder = path.with_suffix(".holder")
    lock = FileLock(path)
    try:
        model.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=wait_s)
    except Timeout:
        raise BusyError(
            f"another packshot-export works on {model.name} ({_text(holder) or 'unknown process'});"
            " wait for it to end, then try again"
        ) from None
    except OSError as error:
        raise VersionError(
            f"cannot lock {model}: {error.strerror or error}. The repository must be writable"
        ) from error
    try:
        with contextlib.suppress(OSError):  # Only words for whoever comes second.
            holder.write_text(f"pid {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink()
        lock.release()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
