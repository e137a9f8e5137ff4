"""Executing a run: prepare, load, watch the server meanwhile, and put it all together."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from packshot_loadtest.answers import Answer
from packshot_loadtest.generator.job import Job
from packshot_loadtest.generator.launch import GeneratorOptions, GeneratorRun, run_generator
from packshot_loadtest.machine import installed_versions, machine_facts
from packshot_loadtest.preparation import Preparation, Progress, prepare_run
from packshot_loadtest.results.result import RunResult
from packshot_loadtest.results.samples import Samples, measured
from packshot_loadtest.results.slo import Objective, check_objectives
from packshot_loadtest.results.summary import generator_health, per_second, summarise
from packshot_loadtest.server_view import ServerWatch, server_series
from packshot_loadtest.settings import RunSettings

_PACKAGES = (
    "packshot", "locust", "gevent", "grpcio", "tritonclient", "hdrhistogram", "numpy",
    "nvidia-pytriton", "openvino",
)  # fmt: skip


def execute(
    settings: RunSettings,
    *,
    options: GeneratorOptions | None = None,
    objectives: Sequence[Objective] = (),
    answers: dict[str, list[Answer]] | None = None,
    metrics: str = "",
    server_pid: Callable[[], int | None] = lambda: None,
    name: str = "load test",
    progress: Progress = lambda _: None,
    on_tick: Callable[[float], None] | None = None,
    on_known: Callable[[dict[str, list[Answer]]], None] = lambda _: None,
    events: Sequence[tuple[float, str]] = (),
) -> RunResult:
    """One run, from checks to result.

    Args:
        settings: What to ask, when, and of whom.
        options: Of the generator.
        objectives: To hold it to.
        answers: Known answers by action; those missing are asked for before the load.
        metrics: ``host:port`` of Triton's metrics; empty if they are not to be read.
        server_pid: Gives the process id of a server on this machine.
        name: For headings.
        progress: Told what is being done.
        on_tick: Called about ten times a second during the load.
        on_known: Told the known answers, before the load.
        events: Unix times and what happened then; read at the end, so a list may still grow.

    Raises:
        LoadTestError: See the tree in ``errors``.
    """
    options = options or GeneratorOptions()
    preparation = prepare_run(settings, options, answers=answers, progress=progress)
    job = preparation.job
    on_known(job.answers)
    progress(
        f"{len(job.arrivals)} requests in {job.warmup_s + job.duration_s:g} s"
        if not job.users
        else f"{job.users} users for {job.warmup_s + job.duration_s:g} s"
    )
    address = settings.target.grpc if any(k.protocol != "peer" for k in job.kinds) else ""
    server = server_facts(address)
    with ServerWatch(address, metrics=metrics, pid=server_pid) as watch:
        run = run_generator(job, options, on_tick=on_tick)
    start_unix = run.start_unix + job.warmup_s
    result = assemble(
        preparation, run, settings=settings, objectives=objectives, name=name, server=server
    )
    return dataclasses.replace(
        result,
        server_series=server_series(watch.readings, start_unix=start_unix),
        events=tuple((unix - start_unix, what) for unix, what in events),
    )


def assemble(
    preparation: Preparation,
    run: GeneratorRun,
    *,
    settings: RunSettings,
    objectives: Sequence[Objective],
    name: str,
    server: dict[str, Any],
) -> RunResult:
    """The client's side of a result, from what the generator reported."""
    job = preparation.job
    samples = measured(run.samples)
    kinds = tuple(kind.label for kind in job.kinds)
    duration_s = job.duration_s
    if run.interrupted:
        duration_s = min(duration_s, float(samples["due_s"][-1]) if len(samples) else 0.0)
        duration_s = max(duration_s, 1e-3)
    planned = _planned(job, samples, duration_s if run.interrupted else None)
    summary = summarise(
        samples, run.histograms, kinds=kinds, planned=planned, duration_s=duration_s
    )
    checks = check_objectives(tuple(objectives), summary, samples, kinds)
    started = datetime.datetime.fromtimestamp(run.start_unix, datetime.timezone.utc)
    return RunResult(
        name=name,
        date=started.isoformat(timespec="seconds"),
        settings=settings.as_dict(),
        machine=machine_facts(),
        versions=installed_versions(*_PACKAGES),
        server=server,
        kinds=kinds,
        duration_s=duration_s,
        summary=summary,
        series=per_second(samples, kinds=kinds, duration_s=duration_s),
        generator=generator_health(
            samples,
            run.histograms,
            planned=sum(planned.values()),
            lost_workers=run.lost_workers,
            cpu_shares=run.cpu_shares,
            max_lag_ms=settings.max_lag_ms,
            max_late_share=settings.max_late_share,
            interrupted=run.interrupted,
        ),
        checks=[check.as_dict() for check in checks],
        messages=run.messages,
        notes=preparation.notes,
        server_series={},
        histograms=run.histograms.encoded(),
        interrupted=run.interrupted,
        samples=samples,
    )


def server_facts(address: str) -> dict[str, Any]:
    """What a Triton server says it is; empty if it does not answer or is another server."""
    if not address:
        return {}
    try:
        with grpc.insecure_channel(address) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            server = stub.ServerMetadata(service_pb2.ServerMetadataRequest(), timeout=5)
            statistics = stub.ModelStatistics(service_pb2.ModelStatisticsRequest(), timeout=5)
    except grpc.RpcError:
        return {}
    models = {stats.name: stats.version for stats in statistics.model_stats}
    return {"name": server.name, "version": server.version, "address": address, "models": models}


def _planned(job: Job, samples: Samples, cut_s: float | None) -> dict[str, int]:
    labels = [kind.label for kind in job.kinds]
    if job.users:
        counts = np.bincount(samples["kind"], minlength=len(labels))
    else:
        due_s = job.arrivals["due_s"] - job.warmup_s
        wanted = (due_s >= 0) & (due_s <= cut_s if cut_s is not None else True)
        counts = np.bincount(job.arrivals["kind"][wanted], minlength=len(labels))
    return {label: int(count) for label, count in zip(labels, counts, strict=True)}
