"""The floor of serving: the stages' own code in this process, with no server.

Run as a program by ``packshot-bench``, so that it is measured in a process of its own:

    python -m packshot_loadtest.inprocess --repository model_repository --threads 2 --seconds 8
"""

from __future__ import annotations

import argparse
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from packshot.serving.backend import Stage, Tensors, bytes_tensor
from packshot.serving.decode_image import DecodeImage
from packshot.serving.quality_net import QualityNet
from packshot.serving.quality_verdict import QualityVerdict
from packshot.serving.stage_context import StageContext
from packshot_loadtest.measurement import Measurement
from packshot_loadtest.payloads import folder_payloads, packaged_payloads
from packshot_loadtest.photo_path import network_folder


class InProcessQuality:
    """The stages decode_image → quality_net → quality_verdict, one photo at a time.

    Args:
        repository: Model repository with the exported network.
        network_threads: Threads of one inference.

    Raises:
        packshot.errors.ModelRepositoryError: The network that is served was not built.
    """

    def __init__(self, repository: Path, *, network_threads: int) -> None:
        context = StageContext(
            version_directory=network_folder(repository),
            parameters={"threads": str(network_threads)},
        )
        self.stages: tuple[Stage, ...] = (
            DecodeImage(context),
            QualityNet(context),
            QualityVerdict(StageContext(version_directory=repository, parameters={})),
        )

    def score(self, data: bytes, spent_s: dict[str, float]) -> Tensors:
        """Every tensor of one photo; adds the seconds of each stage to ``spent_s``.

        Raises:
            Exception: What the stage that failed returned.
        """
        tensors: dict[str, object] = {"IMAGE": bytes_tensor([data])}
        for stage in self.stages:
            started = time.perf_counter()
            names = {tensor.name for tensor in stage.spec.inputs}
            inputs = {name: tensors[name] for name in names if name in tensors}
            (answer,) = stage.execute([inputs])  # type: ignore[list-item]
            if isinstance(answer, Exception):
                raise answer
            tensors.update(answer)
            spent_s[stage.spec.name] += time.perf_counter() - started
        return tensors  # type: ignore[return-value]


def measure(
    make: Callable[[], InProcessQuality], payloads: Sequence[bytes], *, threads: int, seconds: float
) -> Measurement:
    """Score photos in ``threads`` threads, each with a pipeline of its own, for ``seconds``."""
    pipelines = [make() for _ in range(threads)]
    latencies: list[list[float]] = [[] for _ in range(threads)]
    spent: list[dict[str, float]] = [defaultdict(float) for _ in range(threads)]
    for pipeline in pipelines:
        for payload in payloads:
            pipeline.score(payload, defaultdict(float))
    started = time.perf_counter()

    def work(index: int) -> None:
        number = index
        while time.perf_counter() - started < seconds:
            asked = time.perf_counter()
            pipelines[index].score(payloads[number % len(payloads)], spent[index])
            latencies[index].append((time.perf_counter() - asked) * 1000.0)
            number += threads

    workers = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    wall_s = time.perf_counter() - started
    count = sum(map(len, latencies))
    return Measurement(
        latencies_ms=tuple(latency for own in latencies for latency in own),
        wall_s=wall_s,
        stages_ms={
            name: float(np.sum([own[name] for own in spent])) * 1000.0 / count for name in spent[0]
        },
    )


def main() -> None:
    """Measure and print one ``Measurement`` as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--network-threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    payloads = folder_payloads(options.photos) if options.photos else packaged_payloads()
    measurement = measure(
        lambda: InProcessQuality(options.repository, network_threads=options.network_threads),
        payloads,
        threads=options.threads,
        seconds=options.seconds,
    )
    print(measurement.to_json())  # noqa: T201 - the parent process reads it


if __name__ == "__main__":
    main()
