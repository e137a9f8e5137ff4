"""The comparison: every variant measured alike, in alternating order, repeated.

One step is one variant's server started, measured and stopped, or the floor. Each is kept as soon
as it is done.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

import grpc
import numpy as np
from google.protobuf import json_format
from tritonclient.grpc import service_pb2, service_pb2_grpc

from packshot.errors import ServingError
from packshot.serving.options import ServerConfig
from packshot.serving.process import TritonProcess
from packshot_loadtest.arrivals import Pattern
from packshot_loadtest.errors import SettingsError
from packshot_loadtest.execution import execute
from packshot_loadtest.generator.calls import Target
from packshot_loadtest.measurement import Measurement, measured_by
from packshot_loadtest.peers.pipeline import PipelineSettings, known_answers
from packshot_loadtest.preparation import Progress, read_photos
from packshot_loadtest.results.outcomes import WAITED, Outcome
from packshot_loadtest.results.result import RunResult
from packshot_loadtest.server_view import process_usage
from packshot_loadtest.settings import RunSettings
from packshot_loadtest.step_record import StepRecord
from packshot_loadtest.tuning.settings import TuningSettings
from packshot_loadtest.tuning.variants import FLOOR, Variant, repository_with, variant_configs

OVER_MS: Final = 100.0
"""A photo that took longer is counted."""
IN_FLIGHT: Final = 32
_START_TIMEOUT_S: Final = 180.0
_SERVED_FIELDS: Final = ("instance_group", "dynamic_batching", "parameters")


def step_name(variant: str, repeat: int) -> str:
    """Of a variant, or of the floor, in the record."""
    return f"{variant}.{repeat}"


class TuningComparison:
    """Measures step by step.

    Args:
        settings: How.
        progress: Told what is being done.

    Attributes:
        configs: The text of the ``config.pbtxt`` of each model that is needed, by model, by
            variant.

    Raises:
        SettingsError: An edit does not fit the repository.
        packshot.errors.ModelRepositoryError: The repository is not complete.
        NoPhotosError: There are no photos.
    """

    def __init__(self, settings: TuningSettings, *, progress: Progress) -> None:
        self.configs = {
            variant.name: variant_configs(settings.repository, variant)
            for variant in settings.variants
        }
        self._settings = settings
        self._progress = progress
        photos = read_photos(settings.photos)
        pipeline = PipelineSettings(repository=settings.repository)
        self._answers = {"score": known_answers(pipeline, photos)}

    def run(self, record: StepRecord) -> None:
        """Measure what the record does not have yet.

        Raises:
            LoadTestError: A variant does not start, or cannot be loaded.
            KeyboardInterrupt: Ctrl-C; the steps that are done are in the record.
        """
        steps = self._steps()
        for number, (name, step) in enumerate(steps, start=1):
            if name not in record.steps:
                self._progress(f"step {number} of {len(steps)}: {name}")
                record.add(name, step())

    def _steps(self) -> list[tuple[str, Callable[[], dict[str, Any]]]]:
        steps: list[tuple[str, Callable[[], dict[str, Any]]]] = []
        variants = self._settings.variants
        for repeat in range(self._settings.repeats):
            steps.append((step_name(FLOOR, repeat), self._floor))
            # Forwards and backwards in turn: who comes first gains nothing by it.
            steps += [
                (step_name(variant.name, repeat), partial(self._variant, variant, repeat))
                for variant in (variants if repeat % 2 == 0 else variants[::-1])
            ]
        return steps

    def _floor(self) -> dict[str, Any]:
        """The same work in a process of its own, with no server."""
        cores = len(os.sched_getaffinity(0))
        # A photo alone has all cores; for the most photos a second each core has one.
        lone = self._in_process(threads=1, network_threads=cores)
        many = self._in_process(threads=cores, network_threads=1)
        return {"lone_ms": lone.percentile(50), "in_flight_per_s": many.throughput}

    def _variant(self, variant: Variant, repeat: int) -> dict[str, Any]:
        settings = self._settings
        with self._server(variant) as server:
            self._closed_loop(server, 8, seconds=settings.warmup_s)
            lone = self._closed_loop(server, 1, seconds=settings.closed_s)
            rates = {
                f"{rate:g}": _rate_values(self._open_loop(server, variant, rate, repeat))
                for rate in settings.rates
            }
            many = self._closed_loop(server, IN_FLIGHT, seconds=settings.closed_s)
            memory_bytes, _ = process_usage(server.pid)
            return {
                "lone_ms": lone.percentile(50),
                "rates": rates,
                "in_flight_per_s": many.throughput,
                "closed_loop_errors": lone.errors + many.errors,
                "memory_mib": (memory_bytes or 0.0) / 2**20,
                "ready_after_s": server.ready_after_s,
                "served": _served_configs(server.grpc_address, server.models),
            }

    @contextlib.contextmanager
    def _server(self, variant: Variant) -> Iterator[TritonProcess]:
        with repository_with(self._settings.repository, self.configs[variant.name]) as folder:
            config = ServerConfig.on_free_ports(folder)
            server = TritonProcess(config, start_timeout_s=_START_TIMEOUT_S)
            try:
                server.start()
            except ServingError as error:
                raise SettingsError(f"variant {variant.name!r} does not start: {error}") from error
            try:
                yield server
            finally:
                server.stop()

    def _open_loop(
        self, server: TritonProcess, variant: Variant, rate: float, repeat: int
    ) -> RunResult:
        settings = self._settings
        result = execute(
            RunSettings(
                target=Target(grpc=server.grpc_address),
                pattern=Pattern(rate=rate),
                duration_s=settings.duration_s,
                warmup_s=settings.warmup_s,
                photos=settings.photos,
                # The same arrivals for every variant, others in each repeat.
                seed=repeat,
                max_lag_ms=settings.max_lag_ms,
            ),
            answers=self._answers,
            name=f"{variant.name}, {rate:g}/s",
        )
        if result.interrupted:
            raise KeyboardInterrupt
        return result

    def _closed_loop(self, server: TritonProcess, in_flight: int, *, seconds: float) -> Measurement:
        options = ["--address", server.grpc_address, "--concurrency", str(in_flight)]
        measured = measured_by("closed_loop", [*options, *self._length_and_photos(seconds)])
        if not measured.latencies_ms:
            raise SettingsError(
                f"no photo was answered within {seconds:g} s with {in_flight} in flight"
                f" ({measured.errors} errors); give more time (--closed-duration, --warmup)"
            )
        return measured

    def _in_process(self, *, threads: int, network_threads: int) -> Measurement:
        options = ["--repository", str(self._settings.repository), "--threads", str(threads)]
        options += ["--network-threads", str(network_threads)]
        return measured_by(
            "inprocess", [*options, *self._length_and_photos(self._settings.closed_s)]
        )

    def _length_and_photos(self, seconds: float) -> list[str]:
        folder = self._settings.photos.folder
        return ["--seconds", str(seconds), *(["--photos", str(folder)] if folder else [])]


def _rate_values(result: RunResult) -> dict[str, Any]:
    totals = result.summary["all"]
    waited = result.samples[np.isin(result.samples["outcome"], WAITED)]
    latencies_ms = waited["latency_us"] / 1000.0
    return {
        "p50_ms": totals["latency_ms"]["p50"],
        "p99_ms": totals["latency_ms"]["p99"],
        "planned": totals["planned"],
        "over": int((latencies_ms > OVER_MS).sum()),
        "failed": totals["planned"] - totals["outcomes"][Outcome.OK.label],
        "wrong": result.wrong_answers,
        "late": result.generator["late"],
        "valid": result.valid,
        "reasons": result.generator["reasons"],
        "messages": result.messages,
        "latencies_ms": [round(float(value), 2) for value in latencies_ms],
    }


def _served_configs(address: str, models: Iterable[str]) -> dict[str, Any]:
    """What the server itself says it runs, as far as edits can change it."""
    served = {}
    with grpc.insecure_channel(address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for model in models:
            answer = stub.ModelConfig(service_pb2.ModelConfigRequest(name=model), timeout=20)
            config = json_format.MessageToDict(answer.config, preserving_proto_field_name=True)
            served[model] = {name: config[name] for name in _SERVED_FIELDS if name in config}
    return served
