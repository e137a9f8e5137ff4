"""``packshot-backfill``: score a table of image paths, Parquet in, Parquet out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

try:
    import typer
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
except ImportError as error:
    raise ImportError(
        "packshot-backfill needs typer and rich: pip install 'packshot[backfill]'"
    ) from error

from packshot.backfill.job import Backfill, BackfillConfig
from packshot.contracts import DEFAULT_POLICY
from packshot.errors import PackshotError
from packshot.serving.repository import newest_version

app = typer.Typer(add_completion=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def backfill(
    table: Annotated[Path, typer.Argument(help="Parquet file or folder with image paths.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; resumed if started.")],
    column: Annotated[str, typer.Option(help="Column with the paths.")] = "path",
    policy: Annotated[str, typer.Option(help="Marketplace policy.")] = DEFAULT_POLICY,
    model_repository: Annotated[
        Path, typer.Option(help="Model repository with the exported quality network.")
    ] = Path("model_repository"),
    shard_rows: Annotated[int, typer.Option(min=1, help="Photos of one unit of work.")] = 256,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one per core.")] = 0,
    worker_cpus: Annotated[int, typer.Option(min=1, help="Cores of each process.")] = 1,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster (auto, ray://host:10001); else this machine.")
    ] = None,
) -> None:
    """Score a catalogue offline; run the same command again to go on after a crash.

    One Parquet file for each shard lands in OUT: path, score, uncertainty, the attributes, the
    verdict as JSON, and error for photos that could not be scored. On a cluster every node must
    see the table's paths, OUT and the model repository.
    """
    model = model_repository / "quality_net"
    network = newest_version(model) if model.is_dir() else None
    if network is None:
        raise ValueError(f"{model} has no built network. Build it with: make export")
    config = BackfillConfig(
        table=table,
        out=out.absolute(),
        network=network.absolute(),
        column=column,
        policy=policy,
        shard_rows=shard_rows,
        workers=workers,
        worker_cpus=worker_cpus,
        address=address,
    )
    job = Backfill(config)
    plan = job.plan
    finished = plan.shards - len(job.missing)
    if finished:
        typer.echo(f"Resuming: {finished} of {plan.shards} shards are done")
    rows = errors = 0
    columns = (
        TextColumn("shards"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[photos]} photos"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        bar = progress.add_task("shards", total=plan.shards, completed=finished, photos=0)
        for done in job.run():
            rows, errors = rows + done.rows, errors + done.errors
            progress.update(bar, advance=1, photos=rows)
    typer.echo(f"Scored {rows - errors} photos, {errors} with an error; results in {out}")


def main() -> None:
    """Entry point of ``packshot-backfill``."""
    try:
        app()
    except (PackshotError, ValueError) as error:
        typer.echo(f"packshot-backfill: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
