"""Before the load: is the server there, does it have the models, what are the right answers, and
can this generator produce the rate?"""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from packshot_loadtest.answers import Answer, indistinct_pairs
from packshot_loadtest.errors import (
    NoPhotosError,
    RateError,
    SettingsError,
    UnknownModelError,
    UnreachableServerError,
)
from packshot_loadtest.generator.calls import (
    Caller,
    CallFailedError,
    Payloads,
    Target,
)
from packshot_loadtest.generator.grpc_calls import GrpcCaller, open_channel
from packshot_loadtest.generator.http_calls import HttpCaller
from packshot_loadtest.generator.job import Job
from packshot_loadtest.generator.launch import GeneratorOptions
from packshot_loadtest.mix import RequestKind
from packshot_loadtest.payloads import (
    folder_payloads,
    generated_payloads,
    packaged_payloads,
    parse_sizes,
)
from packshot_loadtest.results.outcomes import Outcome
from packshot_loadtest.settings import PhotoSource, RunSettings, make_schedule, request_kinds

_CONNECT_S = 15.0
_UTILISATION = 0.9
"""A sending process busier than this keeps no schedule."""

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """A job that can be started.

    Attributes:
        job: What to play.
        cpu_s: CPU time that one request costs the generator, mean over the mix.
        notes: What the report should say about it.
    """

    job: Job
    cpu_s: float
    notes: tuple[str, ...]


def prepare_run(
    settings: RunSettings,
    options: GeneratorOptions,
    *,
    answers: dict[str, list[Answer]] | None = None,
    progress: Progress = lambda _: None,
) -> Preparation:
    """Check everything that can be checked before the load.

    Args:
        settings: Of the run.
        options: Of the generator.
        answers: Known answers by action; those missing are asked for now.
        progress: Told what is being done.

    Raises:
        LoadTestError: Something cannot be used; see the tree in ``errors``.
    """
    kinds = request_kinds(settings)
    photos = read_photos(settings.photos)
    payloads = Payloads(photos=photos, views=_views(photos) if _sends_pixels(kinds) else ())
    schedule = make_schedule(settings, photo_count=len(photos))
    check_server(settings.target, kinds)
    progress(f"asking for the known answers to {len(photos)} photos, one at a time")
    known = dict(answers or {})
    cpu_s: list[float] = []
    for kind in kinds:
        with closing(_caller(settings.target, payloads, kind)) as caller:
            action = "score" if kind.action == "page" else kind.action
            if action not in known:
                single = RequestKind(action=action, protocol=kind.protocol)
                known[action] = [_asked(caller, single, item)[0] for item in range(len(photos))]
            cpu_s.append(_request_cost_s(caller, kind, len(photos)))
        if len(known[action]) != len(photos):
            raise SettingsError(
                f"the known answers are for {len(known[action])} photos, there are {len(photos)}"
            )
    mean_cpu_s = sum(cpu_s[number] for number in schedule.arrivals["kind"].tolist())
    mean_cpu_s /= len(schedule.arrivals)
    if not settings.users:
        check_rate(schedule.highest_rate, mean_cpu_s, options)
    job = Job(
        target=settings.target,
        kinds=schedule.kinds,
        arrivals=schedule.arrivals,
        payloads=payloads,
        answers=known,
        warmup_s=settings.warmup_s,
        duration_s=schedule.duration_s,
        users=settings.users,
        think_s=settings.think_s,
        max_in_flight=settings.max_in_flight,
    )
    return Preparation(job=job, cpu_s=mean_cpu_s, notes=_notes(known))


def read_photos(source: PhotoSource) -> tuple[bytes, ...]:
    """The photos to send.

    Raises:
        NoPhotosError: There are none.
        SettingsError: The sizes cannot be read.
    """
    if source.folder is None:
        if not source.sizes:
            return tuple(packaged_payloads()[: source.most])
        try:
            sizes = parse_sizes(source.sizes)
        except ValueError as error:
            raise SettingsError(str(error)) from error
        return tuple(generated_payloads(sizes, count=min(32, source.most)))
    if not source.folder.is_dir():
        raise NoPhotosError(f"{source.folder} is no folder")
    try:
        return tuple(folder_payloads(source.folder, most=source.most))
    except ValueError as error:
        raise NoPhotosError(f"{error}; without --photos the packaged ones are sent") from error


def check_server(target: Target, kinds: Sequence[RequestKind]) -> None:
    """Whether the server answers and has the models.

    Raises:
        UnreachableServerError: Nobody answers.
        UnknownModelError: A model is not there, or not ready.
    """
    if any(kind.protocol != "grpc" for kind in kinds):
        _check_port(target.http)
    models = {kind.model for kind in kinds if kind.protocol != "peer"}
    if not models:
        return
    with open_channel(target) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for model in sorted(models):
            _check_model(stub, target.grpc, model)


def check_rate(rate: float, cpu_s: float, options: GeneratorOptions) -> None:
    """Whether the sending processes can keep up.

    Args:
        rate: Requests in the busiest second.
        cpu_s: CPU time that one costs.
        options: Of the generator.

    Raises:
        RateError: They cannot.
    """
    cores = options.senders if options.expect_workers else min(options.senders, os.cpu_count() or 1)
    possible = cores * _UTILISATION / max(cpu_s, 1e-6)
    if rate > possible:
        raise RateError(
            f"the busiest second has {rate:.0f} requests, and one costs this generator"
            f" {cpu_s * 1000:.2f} ms of CPU: {cores} process{'es' * (cores > 1)} can send about"
            f" {possible:.0f} a second. Lower the rate, or add --processes (this machine has"
            f" {os.cpu_count()} cores) or workers on other hosts"
        )


def _caller(target: Target, payloads: Payloads, kind: RequestKind) -> Caller:
    # Its deadline is patient: a cold model's first answer is no part of the load.
    patient = dataclasses.replace(target, timeout_s=max(60.0, target.timeout_s))
    return (GrpcCaller if kind.protocol == "grpc" else HttpCaller)(patient, payloads)


def _request_cost_s(caller: Caller, kind: RequestKind, photo_count: int) -> float:
    rounds = 2 if kind.action == "page" else min(8, photo_count)
    started_s = time.process_time()
    for item in range(rounds):
        _asked(caller, kind, item)
    return (time.process_time() - started_s) / rounds


def _asked(caller: Caller, kind: RequestKind, item: int) -> list[Answer]:
    try:
        return caller.call(kind, item)
    except CallFailedError as error:
        if error.outcome is Outcome.UNAVAILABLE:
            raise UnreachableServerError(str(error)) from error
        raise NoPhotosError(
            f"photo {item + 1} got no answer to {kind.label}, so there is nothing to compare the"
            f" load's answers with: {error}"
        ) from error


def _check_port(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise SettingsError(f"the HTTP address must be host:port, got {address!r} (--http)")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        raise UnreachableServerError(
            f"nobody answers at {address} (HTTP): {error}; check --http"
        ) from error


def _check_model(stub: service_pb2_grpc.GRPCInferenceServiceStub, address: str, model: str) -> None:
    try:
        answer = stub.ModelReady(service_pb2.ModelReadyRequest(name=model), timeout=_CONNECT_S)
    except grpc.RpcError as error:
        raise UnreachableServerError(
            f"nobody answers at {address} (gRPC): {error.details()}; start a server with"
            " packshot-serve, or check --address"
        ) from error
    if not answer.ready:
        # Not the repository index: packshot-serve keeps that to itself.
        statistics = stub.ModelStatistics(service_pb2.ModelStatisticsRequest(), timeout=_CONNECT_S)
        ready = ", ".join(sorted({stats.name for stats in statistics.model_stats})) or "none"
        raise UnknownModelError(
            f"the server at {address} has no ready model {model!r}; it has {ready}"
        )


def _sends_pixels(kinds: Sequence[RequestKind]) -> bool:
    return any(kind.action == "pixels" for kind in kinds)


def _views(photos: Sequence[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    try:
        from packshot.imaging import prepare
    except ImportError as error:
        raise SettingsError(f"pixels in the mix: {error}") from error
    prepared = [prepare(photo) for photo in photos]
    return tuple((p.global_view.tobytes(), p.fragments.tobytes()) for p in prepared)


def _notes(known: dict[str, list[Answer]]) -> tuple[str, ...]:
    notes = []
    for action, answers in known.items():
        pairs = indistinct_pairs(answers)
        if pairs:
            notes.append(
                f"{action}: {pairs} pairs of photos have answers too alike to tell apart; a mix-up"
                " of these two would go unseen"
            )
    return tuple(notes)
