"""Samples: one row per request, in numpy, small enough to keep them all."""

from __future__ import annotations

import base64
import zlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from packshot_loadtest.errors import ResultFileError

SAMPLE: Final = np.dtype(
    [
        ("due_s", "<f8"),
        ("lag_us", "<u4"),
        ("latency_us", "<u4"),
        ("kind", "u1"),
        ("outcome", "u1"),
        ("worker", "<u2"),
    ]
)
"""One request.

due_s: intended start in seconds from the end of the warm-up; negative is warm-up.
lag_us: actual minus intended start. latency_us: from the intended start to the answer.
"""

Samples = npt.NDArray[Any]

MOST_US: Final = 2**32 - 1


def empty_samples() -> Samples:
    """No rows."""
    return np.empty(0, dtype=SAMPLE)


def samples_of(rows: bytes) -> Samples:
    """The rows in raw bytes."""
    return np.frombuffer(rows, dtype=SAMPLE)


def packed(samples: Samples) -> str:
    """Text for a JSON file."""
    return base64.b64encode(zlib.compress(samples.tobytes(), 6)).decode("ascii")


def unpacked(text: str) -> Samples:
    """What :func:`packed` was given.

    Raises:
        ResultFileError: It is something else.
    """
    try:
        return samples_of(zlib.decompress(base64.b64decode(text, validate=True)))
    except (ValueError, zlib.error) as error:
        raise ResultFileError(f"the samples in the result file cannot be read: {error}") from error


def measured(samples: Samples) -> Samples:
    """Those after the warm-up, by intended start."""
    return np.sort(samples[samples["due_s"] >= 0.0], order="due_s")
