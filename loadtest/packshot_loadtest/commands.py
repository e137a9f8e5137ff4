"""The commands beside ``run``: the knee, comparisons, chaos."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

import packshot_loadtest.tables as tables
from packshot.errors import PackshotError
from packshot_loadtest import options
from packshot_loadtest.answers import Answer
from packshot_loadtest.arrivals import Pattern
from packshot_loadtest.durations import seconds_of
from packshot_loadtest.errors import (
    FAILED,
    INVALID,
    PASSED,
    RateError,
    ScenarioError,
    SettingsError,
)
from packshot_loadtest.execution import execute
from packshot_loadtest.generator.launch import GeneratorOptions
from packshot_loadtest.knee import KneeSearch, Probe, find_knee
from packshot_loadtest.machine import machine_facts
from packshot_loadtest.probes import probe_of, unsendable
from packshot_loadtest.results import plots
from packshot_loadtest.results.comparison import compare
from packshot_loadtest.results.report import render, write_report
from packshot_loadtest.results.result import read_result
from packshot_loadtest.results.slo import Objective, read_slo
from packshot_loadtest.scenarios.scenarios import SCENARIOS, ScenarioSettings
from packshot_loadtest.settings import PhotoSource, RunSettings

_DEFAULT_SLO = (
    Objective(kind="all", name="p99_ms", bound=150.0),
    Objective(kind="all", name="max_error_share", bound=0.001),
)


def knee(
    address: options.Address = None,
    http: options.Http = None,
    metrics: options.Metrics = None,
    timeout: options.Timeout = "5s",
    tls_ca: options.TlsCa = None,
    tls_certificate: options.TlsCertificate = None,
    tls_key: options.TlsKey = None,
    mix: options.MixText = "score",
    photos: options.Photos = None,
    sizes: options.Sizes = "",
    seed: options.Seed = 0,
    start: Annotated[float, typer.Option(help="First rate.")] = 10.0,
    most: Annotated[float, typer.Option(help="Highest rate to try.")] = 10_000.0,
    precision: Annotated[float, typer.Option(help="As a share of the knee.")] = 0.05,
    confirmations: Annotated[int, typer.Option(help="How often it must hold again.")] = 2,
    duration: Annotated[str, typer.Option(help="Measured part of each rate.")] = "20s",
    warmup: options.Warmup = "5s",
    settle: Annotated[str, typer.Option(help="Pause between two rates.")] = "3s",
    processes: options.Processes = 0,
    max_lag: options.MaxLag = "20ms",
    slo: options.Slo = None,
    out: options.Out = None,
) -> None:
    """Find the highest rate that holds the objectives (by default p99 of 150 ms, 0.1 % errors).

    packshot-loadtest knee --slo slo.toml --out reports/knee
    """
    place = options.server_place(
        address, http, metrics, seconds_of(timeout), (tls_ca, tls_certificate, tls_key)
    )
    objectives = read_slo(slo) if slo else _DEFAULT_SLO
    search = KneeSearch(start=start, most=most, precision=precision, confirmations=confirmations)
    base = RunSettings(
        target=place.target,
        mix=mix,
        pattern=Pattern(rate=start),
        duration_s=seconds_of(duration),
        warmup_s=seconds_of(warmup),
        photos=PhotoSource(folder=photos, sizes=sizes),
        seed=seed,
        max_lag_ms=seconds_of(max_lag) * 1000.0,
    )
    settle_s = seconds_of(settle)
    known: dict[str, list[Answer]] = {}

    def probe(rate: float) -> Probe:
        tables.say(f"{rate:.1f} requests/s")
        try:
            result = execute(
                dataclasses.replace(base, pattern=Pattern(rate=rate)),
                options=GeneratorOptions(processes=processes),
                objectives=objectives,
                answers=known or None,
                metrics=place.metrics,
                name=f"{rate:.1f} requests/s",
                on_known=known.update,
            )
        except RateError as error:
            tables.say(str(error))
            return unsendable(rate)
        if result.interrupted:
            raise KeyboardInterrupt
        time.sleep(settle_s)
        return probe_of(result, rate)

    found = find_knee(probe, search)
    tables.print_knee(found)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        record: dict[str, Any] = {
            "machine": machine_facts(),
            "settings": base.as_dict(),
            "objectives": [dataclasses.asdict(objective) for objective in objectives],
            **found.as_dict(),
        }
        (out / "knee.json").write_text(json.dumps(record, indent=1) + "\n")
        figure = plots.knee_curve(record["probes"], found.rate)
        (out / "knee.png").write_bytes(plots.png(figure))
        page = render("knee.html", knee=record, plot=plots.svg(figure))
        (out / "knee.html").write_text(page, encoding="utf-8")
        tables.say(f"wrote {out / 'knee.html'}")
    if found.rate is None:
        raise typer.Exit(INVALID if found.bounded_by == "generator" else FAILED)


def compare_runs(
    before: Annotated[Path, typer.Argument(help="result.json of the run before.")],
    after: Annotated[Path, typer.Argument(help="result.json of the run after.")],
    tolerance: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Ratios this close to 1 do not matter.")
    ] = 0.05,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where to write it.")] = None,
) -> None:
    """Better, worse or no different? Exit code 1 if anything is worse.

    packshot-loadtest compare before/result.json after/result.json
    """
    differences = compare(read_result(before), read_result(after), tolerance=tolerance)
    tables.print_differences(differences)
    if json_path is not None:
        rows = [dataclasses.asdict(difference) for difference in differences]
        json_path.write_text(json.dumps(rows, indent=1) + "\n")
    verdicts = {difference.verdict for difference in differences}
    if "worse" in verdicts:
        raise typer.Exit(FAILED)
    if verdicts == {"unknown"}:
        tables.say("too little data to tell: runs of five seconds at least, with answers")
        raise typer.Exit(INVALID)
    raise typer.Exit(PASSED)


def chaos(
    scenario: Annotated[
        str, typer.Argument(help=f"One of {', '.join(SCENARIOS)}, or all.", show_default=False)
    ],
    repository: Annotated[Path, typer.Option(help="Model repository; it is copied.")] = Path(
        "model_repository"
    ),
    rate: Annotated[float, typer.Option(help="Requests a second; of a burst, the base.")] = 10.0,
    duration: Annotated[str, typer.Option(help="Measured part; a soak takes 1h.")] = "30s",
    warmup: options.Warmup = "3s",
    mix: options.MixText = "score",
    photos: options.Photos = None,
    sizes: options.Sizes = "",
    timeout: options.Timeout = "5s",
    model: Annotated[str, typer.Option(help="Model to kill or reload.")] = "quality",
    p99: Annotated[str, typer.Option(help="What p99 must hold when all is well.")] = "500ms",
    recovery: Annotated[str, typer.Option(help="How soon after a repair.")] = "5s",
    burst: Annotated[float, typer.Option(help="The burst, as a multiple of the rate.")] = 3.0,
    delay: Annotated[str, typer.Option(help="Of the slow network, each way.")] = "40ms",
    interface: Annotated[
        str,
        typer.Option(help="Slow this interface by tc netem (all of its traffic, needs root)."),
    ] = "",
    processes: options.Processes = 0,
    max_lag: options.MaxLag = "20ms",
    seed: options.Seed = 0,
    out: options.Out = None,
) -> None:
    """Break a server of its own on purpose, under load, and see what must be true nevertheless.

    packshot-loadtest chaos restart --rate 20 --out reports/chaos
    """
    if scenario != "all" and scenario not in SCENARIOS:
        raise SettingsError(
            f"there is no scenario {scenario!r}, there are {', '.join(SCENARIOS)} and all"
        )
    settings = ScenarioSettings(
        repository=repository,
        rate=rate,
        duration_s=seconds_of(duration),
        warmup_s=seconds_of(warmup),
        mix=mix,
        photos=PhotoSource(folder=photos, sizes=sizes),
        timeout_s=seconds_of(timeout),
        p99_ms=seconds_of(p99) * 1000.0,
        recovery_s=seconds_of(recovery),
        model=model,
        burst=burst,
        delay_ms=seconds_of(delay) * 1000.0,
        interface=interface,
        max_lag_ms=seconds_of(max_lag) * 1000.0,
        seed=seed,
    )
    failed = False
    for name in SCENARIOS if scenario == "all" else (scenario,):
        tables.say(f"scenario {name}: starting a server of its own")
        try:
            judged = SCENARIOS[name](settings, GeneratorOptions(processes=processes), tables.say)
        except PackshotError as error:
            raise ScenarioError(f"the server of the scenario: {error}") from error
        tables.print_judgement(judged)
        failed = failed or not judged.passed
        if out is not None:
            write_report(judged.result, out / name)
            text = json.dumps(judged.as_dict(), indent=1) + "\n"
            (out / name / "judgement.json").write_text(text)
            tables.say(f"wrote {out / name / 'report.html'}")
    raise typer.Exit(FAILED if failed else PASSED)
