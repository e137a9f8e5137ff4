"""tritonserver's log on its way to the terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, TextIO

WITHOUT_GPU: Final = (
    "Unable to allocate pinned system memory",
    "failed to allocate pinned system memory",
    "CUDA memory pool disabled",
    "CudaDriverHelper has not been initialized",
    "unable to create stream for",
    "Failed to initialize NVML",
    "DCGM unable to start",
)
"""What Triton warns of on every machine without a GPU, where it means nothing."""


_TABLE_EDGES: Final = ("|", "+-")


def telling_lines(log: str, last: int = 20) -> str:
    """What a person needs of the log of a server that did not start.

    That is its errors, with the traces that Triton folds into one line spread out, then its last
    lines, without the tables of options and the warnings in ``WITHOUT_GPU``.
    """
    lines = [
        line
        for line in log.splitlines()
        if line.strip()
        and not line.startswith(_TABLE_EDGES)
        and not any(harmless in line for harmless in WITHOUT_GPU)
    ]
    ending = lines[-last:]
    errors = [line for line in lines[:-last] if line.startswith("E")]
    return "\n".join([*errors, *ending]).replace("\\n", "\n") or "(it logged nothing)"


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Whether this machine has an NVIDIA GPU, on which those warnings mean much."""
    return (devices / "nvidiactl").exists()


class LogFilter:
    """Writes lines on, without the warnings in ``WITHOUT_GPU`` where there is no GPU.

    Args:
        raw: Write all lines.
        stream: Where to; by default standard error.
    """

    def __init__(self, *, raw: bool = False, stream: TextIO | None = None) -> None:
        self._hidden = () if raw or has_gpu() else WITHOUT_GPU
        self._stream = stream or sys.stderr

    def __call__(self, line: str) -> None:
        if not any(harmless in line for harmless in self._hidden):
            self._stream.write(f"{line}\n")
            self._stream.flush()
