"""``packshot-loadtest``: does a deployment meet its SLO, where is its knee, and did this change
make it worse?"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

try:
    import typer

    import packshot_loadtest.tables as tables
    from packshot_loadtest.answers import answers_to_json, read_answers
    from packshot_loadtest.arrivals import SHAPES, Pattern
    from packshot_loadtest.commands import chaos, compare_runs, knee
    from packshot_loadtest.execution import execute
    from packshot_loadtest.generator.launch import GeneratorOptions, worker_command
    from packshot_loadtest.peers.command import peers
    from packshot_loadtest.results.report import write_report
except ModuleNotFoundError as error:
    raise ImportError(
        f"packshot-loadtest needs {error.name}: pip install 'packshot[loadtest]'"
    ) from error

from packshot.errors import PackshotError
from packshot_loadtest import options
from packshot_loadtest.durations import seconds_of
from packshot_loadtest.errors import INTERRUPTED, LoadTestError, SettingsError
from packshot_loadtest.results.slo import read_slo
from packshot_loadtest.settings import PhotoSource, RunSettings

app = typer.Typer(
    add_completion=False,
    help=__doc__,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("knee")(knee)
app.command("compare")(compare_runs)
app.command("chaos")(chaos)
app.command("peers")(peers)


@app.command()
def run(
    address: options.Address = None,
    http: options.Http = None,
    metrics: options.Metrics = None,
    timeout: options.Timeout = "10s",
    tls_ca: options.TlsCa = None,
    tls_certificate: options.TlsCertificate = None,
    tls_key: options.TlsKey = None,
    mix: options.MixText = "score",
    rate: Annotated[
        float | None, typer.Option(help="Requests a second (open loop).", rich_help_panel="Load")
    ] = None,
    pattern: Annotated[
        str,
        typer.Option(
            help=f"Rate over time: {', '.join(SHAPES)}. From step on, --peak is the highest.",
            rich_help_panel="Load",
        ),
    ] = "poisson",
    peak: Annotated[
        float | None, typer.Option(help="Highest requests a second.", rich_help_panel="Load")
    ] = None,
    steps: Annotated[
        int, typer.Option(min=2, help="Of --pattern step.", rich_help_panel="Load")
    ] = 5,
    even: Annotated[
        bool,
        typer.Option("--even", help="Evenly spaced instead of at random.", rich_help_panel="Load"),
    ] = False,
    trace: Annotated[
        Path | None,
        typer.Option(
            help="Replay a CSV of seconds,kind instead of a rate.", rich_help_panel="Load"
        ),
    ] = None,
    speed: Annotated[
        float, typer.Option(help="Replay it so much faster.", rich_help_panel="Load")
    ] = 1.0,
    users: Annotated[
        int,
        typer.Option(
            min=0,
            help="Closed loop instead: so many callers, each waiting for its answer.",
            rich_help_panel="Load",
        ),
    ] = 0,
    think: Annotated[
        str, typer.Option(help="Pause of such a caller.", rich_help_panel="Load")
    ] = "0s",
    duration: Annotated[
        str, typer.Option(help="Measured part, such as 2m.", rich_help_panel="Load")
    ] = "1m",
    warmup: options.Warmup = "",
    photos: options.Photos = None,
    sizes: options.Sizes = "",
    seed: options.Seed = 0,
    processes: options.Processes = 0,
    workers: Annotated[
        int,
        typer.Option(
            min=0,
            help="Workers on other hosts (packshot-loadtest worker) to wait for.",
            rich_help_panel="Generator",
        ),
    ] = 0,
    bind: Annotated[
        str,
        typer.Option(help="Where to wait for them, host:port.", rich_help_panel="Generator"),
    ] = "0.0.0.0:5557",
    max_in_flight: Annotated[
        int,
        typer.Option(
            min=1,
            help="In each process; more requests are dropped and counted.",
            rich_help_panel="Generator",
        ),
    ] = 2000,
    max_lag: options.MaxLag = "20ms",
    web: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            help="Locust's web page at this port; press Start there.",
            rich_help_panel="Generator",
        ),
    ] = None,
    slo: options.Slo = None,
    out: options.Out = None,
    json_path: Annotated[
        Path | None,
        typer.Option("--json", help="Everything as one JSON file.", rich_help_panel="Output"),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            help="Known answers: read from here, or kept here for other runs if not there yet.",
            rich_help_panel="Output",
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="For headings.", rich_help_panel="Output")] = (
        "load test"
    ),
) -> None:
    """Load a running server and hold it to its objectives.

    packshot-loadtest run --rate 80 --duration 2m --slo slo.toml --out reports/load

    Exit code 0: all met; 1: an objective missed or a wrong answer; 3: the generator was itself
    the bottleneck; 130: stopped by Ctrl-C, the report is written all the same.
    """
    place = options.server_place(
        address, http, metrics, seconds_of(timeout), (tls_ca, tls_certificate, tls_key)
    )
    objectives = read_slo(slo) if slo else ()
    if rate is None and not (trace or users):
        raise SettingsError("give a --rate, a --trace to replay, or --users of a closed loop")
    if rate is None and (peak is not None or even):
        raise SettingsError("--peak and --even go with --rate")
    settings = RunSettings(
        target=place.target,
        mix=mix,
        pattern=None
        if rate is None
        else Pattern(shape=pattern, rate=rate, peak=peak, steps=steps, even=even),  # type: ignore[arg-type]
        trace=trace,
        speed=speed,
        users=users,
        think_s=seconds_of(think),
        duration_s=seconds_of(duration),
        # A trace is what happened: nothing of it is left out unless asked.
        warmup_s=seconds_of(warmup or ("0s" if trace else "5s")),
        photos=PhotoSource(folder=photos, sizes=sizes),
        seed=seed,
        max_in_flight=max_in_flight,
        max_lag_ms=seconds_of(max_lag) * 1000.0,
    )
    bind_host, _, bind_port = bind.rpartition(":")
    if not bind_port.isdecimal():
        raise SettingsError(f"--bind must be host:port, got {bind!r}")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    generator = GeneratorOptions(
        processes=processes,
        expect_workers=workers,
        bind_host=bind_host if workers else "127.0.0.1",
        bind_port=int(bind_port) if workers else 0,
        web_port=web,
        locust_html=out / "locust.html" if out else None,
        locust_csv=out / "locust" if out else None,
    )
    known = read_answers(answers) if answers and answers.exists() else None
    if web is not None:
        tables.say(f"press Start at http://127.0.0.1:{web} once it answers")
    result = execute(
        settings,
        options=generator,
        objectives=objectives,
        answers=known,
        metrics=place.metrics,
        name=name,
        progress=tables.say,
        on_known=lambda found: _keep(answers, answers_to_json(found)),
    )
    tables.print_run(result)
    if json_path is not None:
        result.write_json(json_path)
    if out is not None:
        tables.say(f"wrote {write_report(result, out)}")
    raise typer.Exit(result.exit_code)


@app.command()
def worker(
    master: Annotated[str, typer.Argument(help="host:port where `run --workers N` waits.")],
) -> None:
    """Send requests for a run on another host. The master brings the job, photos included."""
    host, _, port = master.rpartition(":")
    if not (host and port.isdecimal()):
        raise SettingsError(f"the master must be host:port, got {master!r}")
    raise typer.Exit(subprocess.run(worker_command(host, int(port)), check=False).returncode)


def _keep(path: Path | None, text: str) -> None:
    if path is not None and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def main() -> None:
    """Entry point of ``packshot-loadtest``."""
    # What a supervisor sends ends a run as Ctrl-C does: in order, servers and generators with it.
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except (LoadTestError, PackshotError) as error:
        tables.progress.print(f"packshot-loadtest: {error}", style="red", markup=False)
        sys.exit(error.exit_code if isinstance(error, LoadTestError) else 2)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
