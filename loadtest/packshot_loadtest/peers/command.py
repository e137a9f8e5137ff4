"""``packshot-loadtest peers``: packshot and its peers side by side."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path
from typing import Annotated

import typer

import packshot_loadtest.tables as tables
from packshot_loadtest.durations import seconds_of
from packshot_loadtest.errors import INVALID, PeerError, SettingsError
from packshot_loadtest.machine import installed_versions, machine_facts
from packshot_loadtest.peers.catalogue import PEERS
from packshot_loadtest.peers.record import markdown
from packshot_loadtest.peers.settings import TABLES, ComparisonSettings
from packshot_loadtest.settings import PhotoSource
from packshot_loadtest.step_record import open_record


def peers(
    repository: Annotated[Path, typer.Option(help="Model repository.")] = Path("model_repository"),
    source: Annotated[
        Path, typer.Option(help="packshot's source tree, for the peers' environments.")
    ] = Path(),
    environments: Annotated[Path, typer.Option(help="Where these are kept.")] = Path("runs/peers"),
    onnx: Annotated[
        Path | None,
        typer.Option(help="FP32 graph for ONNX Runtime. [default: beside the served version]"),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"Only these peers: {', '.join(peer.slug for peer in PEERS)}."),
    ] = None,
    photos: Annotated[Path | None, typer.Option(help="Folder of photos.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Of each peer: the cores.")] = 2,
    p99: Annotated[str, typer.Option(help="Bound of the knee.")] = "150ms",
    rate: Annotated[
        float | None,
        typer.Option(min=0.1, help="Compare at this rate alone, with no search for knees."),
    ] = None,
    start: Annotated[float, typer.Option(min=0.1, help="First rate of each search.")] = 20.0,
    precision: Annotated[
        float, typer.Option(min=0.01, max=0.5, help="A knee is known to this share of itself.")
    ] = 0.05,
    repeats: Annotated[int, typer.Option(min=1)] = 3,
    duration: Annotated[str, typer.Option(help="Measured part of each rate.")] = "15s",
    budget: Annotated[str, typer.Option(help="No step begins after this time.")] = "4h",
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Only see that every server runs and answers rightly."),
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew instead of going on.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for peers.json and peers.md.")] = Path(
        "reports/peers"
    ),
) -> None:
    """Measure packshot on Triton against FastAPI, LitServe, BentoML and Ray Serve.

    Each peer has an environment of its own, made by this command. Started again, it goes on where
    it stopped. Measure on a machine that does nothing else.
    """
    # Here, as the servers' code is in packshot[bench], which no other command needs.
    from packshot_loadtest.peers.comparison import Comparison

    chosen = tuple(peer for peer in PEERS if not only or peer.slug in only)
    unknown = set(only or ()) - {peer.slug for peer in PEERS}
    if unknown:
        raise SettingsError(f"no such peer: {', '.join(sorted(unknown))}")
    settings = ComparisonSettings(
        repository=repository,
        source=source,
        environments=environments,
        onnx=onnx,
        peers=chosen,
        photos=PhotoSource(folder=photos),
        processes=processes,
        p99_ms=seconds_of(p99) * 1000.0,
        rate=rate,
        start=start,
        precision=precision,
        repeats=repeats,
        duration_s=seconds_of(duration),
    )
    context = {
        "settings": settings.as_dict(),
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": machine_facts(),
        "versions": installed_versions("packshot", "nvidia-pytriton", "openvino", "locust"),
    }
    record = open_record(
        out / "peers.json",
        context,
        fresh=fresh,
        way_out="give --fresh to begin anew, or another --out",
    )
    comparison = Comparison(settings, record, progress=tables.say)
    if quick:
        tried = comparison.try_once(rate=5.0, seconds=4.0)
        tables.console.print_json(json.dumps(tried))
        failed = [name for name, seen in tried.items() if not seen["right"] or seen["wrong"]]
        if failed:
            raise PeerError(f"no right answers, or wrong ones, from {', '.join(failed)}")
        return
    complete = comparison.run(until_s=time.monotonic() + seconds_of(budget))
    text = markdown(record, TABLES, comparison.servers)
    (out / "peers.md").write_text(text + "\n")
    tables.console.print(text, markup=False)
    if not complete:
        tables.say("not everything is measured yet; start the command again to go on")
        raise typer.Exit(INVALID)
