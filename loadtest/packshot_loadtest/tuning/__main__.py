"""Variants of a model repository side by side, in one run.

    python -m packshot_loadtest.tuning --json reports/tuning.json \\
        --variant "one-thread=quality:threads=1" --variant "no-policy=quality:-queue_policy" \\
        --variant "three processes=quality:config=tensorrt"

A variant is NAME=EDITS, and EDITS say what changes in the configurations of quality and of the
models that a photo goes through with it, with commas between: model:config=name (takes
configs/name.pbtxt in place of config.pbtxt, before all other edits), model:key=value (instances,
max_queue_size, max_queue_delay_microseconds, default_timeout_microseconds, preferred_batch_size,
or a parameter of the model, such as threads) and model:-key (queue_policy, dynamic_batching, or a
parameter). "as shipped" is always there; without edits (again=) it is measured twice, and what
differs is noise.
The repository itself is not touched.
"""

from __future__ import annotations

import datetime
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

import packshot_loadtest.tables as tables
from packshot.errors import PackshotError
from packshot_loadtest.durations import seconds_of
from packshot_loadtest.errors import FAILED, INTERRUPTED, INVALID, LoadTestError, SettingsError
from packshot_loadtest.machine import installed_versions, machine_facts
from packshot_loadtest.settings import PhotoSource
from packshot_loadtest.step_record import StepRecord, open_record
from packshot_loadtest.tuning.comparison import TuningComparison
from packshot_loadtest.tuning.settings import TuningSettings
from packshot_loadtest.tuning.table import markdown
from packshot_loadtest.tuning.variants import parse_variants

app = typer.Typer(add_completion=False, help=__doc__)


@app.command(help=__doc__)
def tuning(
    variant: Annotated[
        list[str] | None, typer.Option(metavar="NAME=EDITS", help="One more variant; repeatable.")
    ] = None,
    repository: Annotated[Path, typer.Option(help="Model repository; it is copied.")] = Path(
        "model_repository"
    ),
    photos: Annotated[Path | None, typer.Option(help="Folder of photos to send.")] = None,
    rate: Annotated[
        list[float] | None,
        typer.Option(help="Photos a second, open loop; repeatable. [default: 12, 24]"),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Everything so often.")] = 3,
    duration: Annotated[str, typer.Option(help="Measured part of each rate.")] = "20s",
    closed_duration: Annotated[
        str, typer.Option(help="Of each measurement with 1 or 32 in flight.")
    ] = "8s",
    warmup: Annotated[str, typer.Option(help="Load before each rate.")] = "3s",
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Once and for seconds: does every variant run and answer rightly?"
        ),
    ] = False,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Where everything is kept, step by step.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what --json has already.")
    ] = False,
) -> None:
    """Compare variants; see the module's docstring, which is the help."""
    if resume and json_path is None:
        raise SettingsError("--resume goes on with a file: give --json")
    settings = TuningSettings(
        repository=repository,
        variants=parse_variants(variant or ()),
        photos=PhotoSource(folder=photos),
        rates=tuple(rate) if rate else TuningSettings.rates,
        repeats=repeats,
        duration_s=seconds_of(duration),
        closed_s=seconds_of(closed_duration),
        warmup_s=seconds_of(warmup),
    )
    if quick:
        settings = settings.quick
    comparison = TuningComparison(settings, progress=tables.say)
    context = {
        "settings": {**settings.as_dict(), "configs": comparison.configs},
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": machine_facts(),
        "versions": installed_versions("packshot", "nvidia-pytriton", "openvino", "locust"),
    }
    way_out = "begin anew without --resume, or name another file"
    record = open_record(json_path, context, fresh=not resume, way_out=way_out)
    try:
        comparison.run(record)
    finally:
        # What is done is told, whatever ended it.
        if record.steps:
            sys.stdout.write(markdown(record, settings) + "\n")
    raise typer.Exit(_exit_code(record))


def _exit_code(record: StepRecord) -> int:
    runs = [run for step in record.steps.values() for run in step.get("rates", {}).values()]
    if any(run["wrong"] for run in runs):
        return FAILED
    return 0 if all(run["valid"] for run in runs) else INVALID


def main() -> None:
    """Entry point of ``python -m packshot_loadtest.tuning``."""
    # What a supervisor sends ends it as Ctrl-C does: in order, servers and generators with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except (LoadTestError, PackshotError) as error:
        tables.progress.print(f"tuning: {error}", style="red", markup=False)
        sys.exit(error.exit_code if isinstance(error, LoadTestError) else 2)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
