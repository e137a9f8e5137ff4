"""The stages of the served models, in this process: one photo in, one row out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from packshot.contracts import (
    ATTRIBUTE_VALUES,
    ATTRIBUTES,
    IMAGE,
    POLICY,
    SCORE,
    UNCERTAINTY,
    VERDICT,
)
from packshot.errors import ImageError
from packshot.imaging import Limits
from packshot.serving.backend import Array, Stage, bytes_tensor
from packshot.serving.decode_image import DecodeImage
from packshot.serving.quality_net import QualityNet
from packshot.serving.quality_verdict import QualityVerdict
from packshot.serving.stage_context import StageContext

_READERS = 8
_AT_ONCE = 32
_LIMITS = Limits()


class PhotoScorer:
    """Scores photos as the model ``quality`` does, without a server.

    Args:
        network: Version folder of the exported network.
        policy: Marketplace policy of the verdicts.
        threads: Threads of the network.
    """

    def __init__(self, network: Path, *, policy: str, threads: int) -> None:
        parameters = {"threads": str(threads), "streams": str(threads)}
        context = StageContext(version_directory=network, parameters=parameters)
        self._stages: tuple[Stage, ...] = (
            DecodeImage(context),
            QualityNet(context),
            QualityVerdict(StageContext(version_directory=network, parameters={})),
        )
        self._policy = policy
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="read")

    def rows(self, paths: list[str]) -> list[dict[str, Any]]:
        """One row for each path: its numbers, or in ``error`` why there are none."""
        # Not all at once: a shard of camera files would take gigabytes in each worker.
        groups = (paths[start : start + _AT_ONCE] for start in range(0, len(paths), _AT_ONCE))
        return [row for group in groups for row in self._rows_at_once(group)]

    def close(self) -> None:
        """Stop the threads."""
        self._readers.shutdown()
        for stage in self._stages:
            stage.close()

    def _rows_at_once(self, paths: list[str]) -> list[dict[str, Any]]:
        files = list(self._readers.map(_read, paths))
        states: list[dict[str, Array] | Exception] = [
            file
            if isinstance(file, Exception)
            else {
                IMAGE.name: bytes_tensor([file]),
                POLICY.name: bytes_tensor([self._policy.encode()]),
            }
            for file in files
        ]
        for stage in self._stages:
            _advance(stage, states)
        return [_row(path, state) for path, state in zip(paths, states, strict=True)]


def _read(path: str) -> bytes | Exception:
    file = Path(path)
    try:
        _LIMITS.check_bytes(file.stat().st_size)
        return file.read_bytes()
    except (OSError, ImageError) as error:
        return error


def _advance(stage: Stage, states: list[dict[str, Array] | Exception]) -> None:
    """Run one stage on the photos that have come so far, all in one call."""
    names = {tensor.name for tensor in stage.spec.inputs}
    going = [i for i, state in enumerate(states) if not isinstance(state, Exception)]
    requests = [
        {name: array for name, array in _tensors(states[i]).items() if name in names} for i in going
    ]
    for i, answer in zip(going, stage.execute(requests), strict=True):
        if isinstance(answer, Exception):
            states[i] = answer
        else:
            _tensors(states[i]).update(answer)


def _tensors(state: dict[str, Array] | Exception) -> dict[str, Array]:
    if isinstance(state, Exception):
        raise TypeError("this photo has failed already")
    return state


def _row(path: str, state: dict[str, Array] | Exception) -> dict[str, Any]:
    if isinstance(state, Exception):
        missing = dict.fromkeys(ATTRIBUTES)
        return {
            "path": path,
            "score": None,
            "uncertainty": None,
            **missing,
            "verdict": None,
            "error": f"{type(state).__name__}: {state}",
        }
    values = np.asarray(state[ATTRIBUTE_VALUES.name][0], np.float64)
    return {
        "path": path,
        "score": float(state[SCORE.name][0, 0]),
        "uncertainty": float(state[UNCERTAINTY.name][0, 0]),
        **dict(zip(ATTRIBUTES, map(float, values), strict=True)),
        "verdict": state[VERDICT.name][0, 0].decode(),
        "error": None,
    }
