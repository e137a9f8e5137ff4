"""The comparison: every server at its knee and at equal load, in alternating order, repeated.

One step is one server started, measured and stopped. Each is kept as soon as it is done, so that
the comparison can be stopped and gone on with, and bounded in time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final

from packshot_loadtest.answers import Answer
from packshot_loadtest.arrivals import Pattern
from packshot_loadtest.errors import PeerError, RateError
from packshot_loadtest.execution import execute
from packshot_loadtest.knee import KneeSearch, Probe, find_knee
from packshot_loadtest.measurement import measured_by
from packshot_loadtest.peers.catalogue import PACKSHOT, Peer
from packshot_loadtest.peers.environments import installed_in, peer_python
from packshot_loadtest.peers.pipeline import Engine, PipelineSettings, known_answers
from packshot_loadtest.peers.servers import LiveServer, packshot_server, peer_server
from packshot_loadtest.peers.settings import ComparisonSettings
from packshot_loadtest.preparation import Progress, read_photos
from packshot_loadtest.probes import probe_of, unsendable
from packshot_loadtest.results.result import RunResult
from packshot_loadtest.results.slo import Objective
from packshot_loadtest.settings import RunSettings
from packshot_loadtest.step_record import StepRecord

_ENGINES: Final[dict[str, Engine]] = {"same": "openvino", "documented": "onnxruntime"}
_ATTEMPTS: Final = 3


class Comparison:
    """Measures step by step.

    Args:
        settings: How.
        record: What is there already, and where results are kept.
        progress: Told what is being done.

    Raises:
        PeerError: A table needs a graph for ONNX Runtime, and there is none in FP32.
    """

    def __init__(
        self, settings: ComparisonSettings, record: StepRecord, *, progress: Progress
    ) -> None:
        self._settings = settings
        self._record = record
        self._progress = progress
        self._photos = read_photos(settings.photos)
        self._answers: dict[Engine, list[Answer]] = {}
        self._pythons: dict[str, Path] = {}
        if "documented" in settings.tables:
            # Now, not after the hour that the first table takes.
            _ = self._pipeline("onnxruntime").graph

    @property
    def servers(self) -> list[str]:
        """Names, as tables have them."""
        return [PACKSHOT, *(peer.name for peer in self._settings.peers)]

    def run(self, *, until_s: float) -> bool:
        """Measure what is missing; whether that is all of it.

        Args:
            until_s: On ``time.monotonic``; no step begins after it.
        """
        complete = True
        for name, step in self._steps():
            if name in self._record.steps:
                continue
            if time.monotonic() > until_s:
                return False
            self._progress(f"step {name}")
            try:
                self._record.add(name, step())
            except PeerError as error:
                # Others can still be measured; without this one nothing is claimed about it.
                self._progress(str(error))
                complete = False
        return complete

    def try_once(self, *, rate: float, seconds: float) -> dict[str, dict[str, Any]]:
        """Every server for some seconds at a low rate: do they run, and answer rightly?"""
        tried = {}
        for table in self._settings.tables:
            for name in self.servers:
                if name == PACKSHOT and table == "documented":
                    continue
                self._progress(f"trying {name} ({table})")
                with self._server(table, name) as server:
                    result = self._load(server, self._engine(table, name), rate, duration_s=seconds)
                    tried[f"{table}.{name}"] = {
                        "right": result.summary["all"]["outcomes"]["ok"],
                        "planned": result.summary["all"]["planned"],
                        "wrong": result.wrong_answers,
                        "p50_ms": result.summary["all"]["latency_ms"]["p50"],
                        "cold_start_s": server.cold_start_s,
                        "memory_mib": server.memory_mib(),
                        "messages": result.messages,
                    }
        return tried

    def _steps(self) -> list[tuple[str, Callable[[], dict[str, Any]]]]:
        steps: list[tuple[str, Callable[[], dict[str, Any]]]] = []
        knees = () if self._settings.rate else (("knee", self._knee),)
        for part, measure in (*knees, ("equal", self._equal_load)):
            for number in range(self._settings.repeats):
                if part == "knee":
                    steps.append((f"floor.{number}", self._floor))
                for table in self._settings.tables:
                    # Forwards and backwards in turn: who comes first gains nothing by it.
                    order = self.servers if number % 2 == 0 else self.servers[::-1]
                    steps += [
                        (f"{table}.{name}.{part}.{number}", partial(measure, table, name))
                        for name in order
                    ]
        return steps

    def _knee(self, table: str, name: str) -> dict[str, Any]:
        objectives = (
            Objective(kind="all", name="p99_ms", bound=self._settings.p99_ms),
            Objective(kind="all", name="max_error_share", bound=0.001),
        )
        engine = self._engine(table, name)
        with self._server(table, name) as server:

            def probe(rate: float) -> Probe:
                try:
                    found = probe_of(self._load(server, engine, rate, objectives=objectives), rate)
                except RateError:
                    return unsendable(rate)
                self._progress(
                    f"  {rate:.1f}/s: p99 {found.latency_ms['p99'] or 0:.0f} ms,"
                    f" {'held' if found.passed and found.valid else 'missed'}"
                )
                return found

            knee = find_knee(
                probe,
                KneeSearch(
                    start=self._settings.start,
                    precision=self._settings.precision,
                    confirmations=self._settings.confirmations,
                ),
            )
            return {
                **knee.as_dict(),
                "memory_mib": server.memory_mib(),
                "cold_start_s": server.cold_start_s,
            }

    def _equal_load(self, table: str, name: str) -> dict[str, Any]:
        """p50 and p99 at the same rate for all; none if the generator was late each time."""
        rate = self._settings.rate or self._half_of_the_slowest_knee(table)
        with self._server(table, name) as server:
            for _ in range(_ATTEMPTS):
                result = self._load(server, self._engine(table, name), rate)
                if result.valid:
                    break
                self._progress("  the generator was late, which says nothing of the server")
            latency = result.summary["all"]["latency_ms"] if result.valid else {}
            return {
                "rate": rate,
                "p50_ms": latency.get("p50"),
                "p99_ms": latency.get("p99"),
                "error_share": result.summary["all"]["error_share"],
                "valid": result.valid,
                "memory_mib": server.memory_mib(),
                "cold_start_s": server.cold_start_s,
            }

    def _half_of_the_slowest_knee(self, table: str) -> float:
        knees = [
            self._record.median(f"{table}.{peer.name}.knee", "rate")
            for peer in self._settings.peers
        ]
        known = [knee for knee in knees if knee is not None]
        if not known:
            raise PeerError("no peer has a knee yet, so there is no equal load to give")
        return min(known) / 2.0

    def _floor(self) -> dict[str, Any]:
        """The same work in a process of its own, with no server, one thread per core."""
        settings = self._settings
        options = ["--repository", str(settings.repository), "--network-threads", "1"]
        options += ["--threads", str(settings.processes), "--seconds", str(settings.duration_s)]
        if settings.photos.folder is not None:
            options += ["--photos", str(settings.photos.folder)]
        measured = measured_by("inprocess", options)
        return {
            "throughput": measured.throughput,
            "p50_ms": measured.percentile(50),
            "p99_ms": measured.percentile(99),
        }

    def _load(
        self,
        server: LiveServer,
        engine: Engine,
        rate: float,
        *,
        objectives: tuple[Objective, ...] = (),
        duration_s: float | None = None,
    ) -> RunResult:
        settings = self._settings
        result = execute(
            RunSettings(
                target=server.target,
                mix=server.kind.label,
                pattern=Pattern(rate=rate),
                duration_s=duration_s or settings.duration_s,
                warmup_s=settings.warmup_s,
                photos=settings.photos,
                max_lag_ms=settings.max_lag_ms,
            ),
            objectives=objectives,
            answers=self._known(engine),
            metrics=server.metrics,
            name=f"{server.name}, {rate:.1f}/s",
        )
        if result.interrupted:
            raise KeyboardInterrupt
        return result

    def _server(self, table: str, name: str) -> AbstractContextManager[LiveServer]:
        settings = self._settings
        if name == PACKSHOT:
            return packshot_server(settings.repository)
        peer = next(peer for peer in settings.peers if peer.name == name)
        pipeline = self._pipeline(self._engine(table, name))
        python = self._python(peer)
        return peer_server(peer, python, pipeline, self._photos[0], processes=settings.processes)

    def _python(self, peer: Peer) -> Path:
        if peer.slug not in self._pythons:
            settings = self._settings
            python = peer_python(
                peer, settings.environments, settings.source, progress=self._progress
            )
            self._pythons[peer.slug] = python
            self._record.context.setdefault("packages", {})[peer.name] = installed_in(python)
        return self._pythons[peer.slug]

    def _engine(self, table: str, name: str) -> Engine:
        return "openvino" if name == PACKSHOT else _ENGINES[table]

    def _pipeline(self, engine: Engine) -> PipelineSettings:
        settings = self._settings
        return PipelineSettings(repository=settings.repository, engine=engine, onnx=settings.onnx)

    def _known(self, engine: Engine) -> dict[str, list[Answer]]:
        if engine not in self._answers:
            self._answers[engine] = known_answers(self._pipeline(engine), self._photos)
        return {"score": self._answers[engine]}
