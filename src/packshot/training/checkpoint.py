"""Training state on disk: written in one step, read back without unpickling code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from packshot.errors import TrainingError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values; a crash leaves the old file or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what ``save_checkpoint`` wrote.

    Raises:
        TrainingError: The file holds anything but tensors and plain values, or is damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise TrainingError(f"{path} is not a training checkpoint of ours: {error}") from error
    return state
