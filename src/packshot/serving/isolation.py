"""Does enhancement ruin scoring? The latency of ``quality`` alone, and beside a busy ``enhance``.

    python -m packshot.serving.session -- python -m packshot.serving.isolation

Photos to score arrive at a fixed, light rate, whether or not the server keeps up, and a latency
counts from the intended arrival. Rounds alternate between the two cases, so that what else the
machine does falls on both; only their ratio means anything.
"""

from __future__ import annotations

import argparse
import io
import os
import queue
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import tritonclient.grpc as triton_grpc
from PIL import Image
from tritonclient.utils import InferenceServerException

from packshot.contracts import ENHANCE, IMAGE, QUALITY
from packshot.serving.session import SERVER_VARIABLE

_DEADLINE_S: Final = 120.0
_SETTLE_S: Final = 1.0
_REFUSED_PAUSE_S: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class IsolationConfig:
    """One measurement.

    Attributes:
        address: The server's gRPC address.
        rate: Photos to score per second.
        seconds: Length of each half of a round.
        rounds: How often both halves are run.
        in_flight: Requests kept waiting at ``enhance``.
    """

    address: str
    rate: float = 4.0
    seconds: float = 15.0
    rounds: int = 3
    in_flight: int = 2

    def __post_init__(self) -> None:
        if min(self.rate, self.seconds, self.rounds, self.in_flight) <= 0:
            raise ValueError("rate, seconds, rounds and in_flight must be positive")


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """What was measured, in milliseconds; one list entry a request.

    Attributes:
        alone: Latencies of ``quality`` with nothing else to do.
        beside: The same with ``enhance`` saturated.
        enhanced: Photos enhanced meanwhile.
    """

    alone: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    enhanced: int = 0

    def ratio(self, percentile: float) -> float:
        """How many times as long a percentile is beside enhancement."""
        alone, beside = (np.percentile(values, percentile) for values in (self.alone, self.beside))
        return float(beside / alone)


def generated_photo(width: int = 1000, height: int = 1000) -> bytes:
    """A JPEG with smooth areas, texture and grain; always the same."""
    ys, xs = np.mgrid[0:height, 0:width]
    smooth = np.stack([90 + 80 * np.sin(xs / 60), 120 + 60 * np.cos(ys / 45), 80 + xs / 10], -1)
    grain = np.random.default_rng(0).normal(0, 8, smooth.shape)
    buffer = io.BytesIO()
    pixels = np.clip(smooth + grain, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def measure_isolation(config: IsolationConfig, photo: bytes) -> Isolation:
    """Run all rounds.

    Raises:
        tritonclient.utils.InferenceServerException: A request to ``quality`` failed.
    """
    with triton_grpc.InferenceServerClient(config.address) as client:
        # Once each before counting: first inferences are slow.
        for model in (QUALITY.name, ENHANCE.name):
            client.infer(model, [_image(photo)], client_timeout=_DEADLINE_S)
        alone: list[float] = []
        beside: list[float] = []
        enhanced = 0
        for _ in range(config.rounds):
            alone += _latencies(client, photo, config)
            with _saturated(client, photo, config.in_flight) as done:
                time.sleep(_SETTLE_S)
                beside += _latencies(client, photo, config)
            enhanced += len(done)
    return Isolation(alone=alone, beside=beside, enhanced=enhanced)


def _image(photo: bytes) -> triton_grpc.InferInput:
    tensor = triton_grpc.InferInput(IMAGE.name, [1, 1], IMAGE.dtype)
    tensor.set_data_from_numpy(np.array([[photo]], dtype=np.object_))
    return tensor


def _latencies(client: Any, photo: bytes, config: IsolationConfig) -> list[float]:
    answers: queue.Queue[tuple[float, Exception | None]] = queue.Queue()
    count = max(1, round(config.rate * config.seconds))
    tensor = _image(photo)
    began = time.perf_counter()
    for index in range(count):
        intended = began + index / config.rate
        time.sleep(max(0.0, intended - time.perf_counter()))

        def done(result: Any, error: Exception | None, intended: float = intended) -> None:  # noqa: ARG001
            answers.put((time.perf_counter() - intended, error))

        client.async_infer(QUALITY.name, [tensor], done, client_timeout=_DEADLINE_S)
    latencies = []
    for _ in range(count):
        seconds, error = answers.get(timeout=_DEADLINE_S + _SETTLE_S)
        if error is not None:
            raise error
        latencies.append(1000.0 * seconds)
    return latencies


@contextmanager
def _saturated(client: Any, photo: bytes, in_flight: int) -> Iterator[list[float]]:
    stop = threading.Event()
    done: list[float] = []

    def keep_asking() -> None:
        tensor = _image(photo)
        while not stop.is_set():
            try:
                client.infer(ENHANCE.name, [tensor], client_timeout=_DEADLINE_S)
                done.append(time.perf_counter())
            except InferenceServerException:  # noqa: PERF203 - a request takes seconds
                # A full queue is what saturation means.
                time.sleep(_REFUSED_PAUSE_S)

    threads = [threading.Thread(target=keep_asking, daemon=True) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def main() -> None:
    """Entry point of ``python -m packshot.serving.isolation``."""
    parser = argparse.ArgumentParser(prog="packshot.serving.isolation", description=__doc__)
    parser.add_argument("--server", default=os.environ.get(SERVER_VARIABLE, "localhost:8001"))
    parser.add_argument("--photo", type=Path, help="JPEG or PNG; a generated one by default.")
    for name, kind in (("rate", float), ("seconds", float), ("rounds", int), ("in-flight", int)):
        default = getattr(IsolationConfig, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"[{default}]")
    options = parser.parse_args()
    config = IsolationConfig(
        address=options.server,
        rate=options.rate,
        seconds=options.seconds,
        rounds=options.rounds,
        in_flight=options.in_flight,
    )
    photo = options.photo.read_bytes() if options.photo else generated_photo()
    try:
        found = measure_isolation(config, photo)
    except InferenceServerException as error:
        sys.exit(f"packshot.serving.isolation: {error}")
    print("quality, ms            median     p90     p99")  # noqa: T201
    for label, values in (("alone", found.alone), ("beside enhance", found.beside)):
        p90, p99 = np.percentile(values, [90, 99])
        print(f"{label:<20} {statistics.median(values):8.1f} {p90:7.1f} {p99:7.1f}")  # noqa: T201
    ratios = " ".join(f"{found.ratio(percentile):7.2f}" for percentile in (50, 90, 99))
    print(f"{'ratio':<20}  {ratios}   ({found.enhanced} photos enhanced)")  # noqa: T201


if __name__ == "__main__":
    main()
