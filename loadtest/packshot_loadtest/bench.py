"""``packshot-bench``: the served path against the same functions in-process, in one run.

    packshot-bench --repository model_repository --json reports/bench.json

Every figure is the median of interleaved rounds, so that a slow moment of the machine hits all
sides alike; compare ratios, not milliseconds, across machines.
"""

from __future__ import annotations

import datetime
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

try:
    import psutil
    import typer
    from rich.console import Console
    from rich.table import Table
except ImportError as error:
    raise ImportError(
        f"packshot-bench needs {error.name}: pip install 'packshot[bench]'"
    ) from error

from packshot.contracts import QUALITY
from packshot.errors import PackshotError
from packshot.serving.options import ServerConfig
from packshot.serving.process import TritonProcess
from packshot.serving.repository import check_model
from packshot.serving.signals import stop_on_signals
from packshot_loadtest.machine import installed_versions, machine_facts
from packshot_loadtest.measurement import Measurement, joined, measured_by
from packshot_loadtest.photo_path import working_models
from packshot_loadtest.server_time import read_model_times, stage_times_ms

CONCURRENCIES = (1, 8, 32)
ONE_CALLER = "in-process, 1 caller"
TWO_THREADS = "in-process, 2 threads"
SERVED_PARTS = ("compute", "tensors", "queue")

console = Console()
progress = Console(stderr=True)


@dataclass(frozen=True, kw_only=True)
class MemoryGrowth:
    """Resident memory of the server and its stubs, in MiB."""

    after_first: float
    after_all: float
    first: int
    requests: int
    errors: int

    @property
    def ratio(self) -> float:
        """Memory at the end as a multiple of that after the first requests."""
        return self.after_all / self.after_first


def served_name(concurrency: int) -> str:
    """The row of one concurrency."""
    return f"Triton, {concurrency} in flight"


def run_bench(
    repository: Path, *, photos: Path | None, rounds: int, seconds: float, memory_requests: int
) -> dict[str, Any]:
    """Measure everything; the result is ready for JSON.

    Raises:
        packshot.errors.ServingError: The server does not start.
        subprocess.CalledProcessError: A measuring process failed.
    """
    folder = ["--photos", str(photos)] if photos else []
    models = working_models(check_model(repository, QUALITY.name))
    runs: dict[str, list[Measurement]] = {}
    times: list[dict[str, float]] = []
    with TritonProcess(ServerConfig.on_free_ports(repository)) as server:
        address = server.grpc_address
        for number in range(rounds):
            progress.print(f"round {number + 1} of {rounds}")
            for name, threads, network_threads in ((ONE_CALLER, 1, 2), (TWO_THREADS, 2, 1)):
                options = ["--repository", str(repository), "--threads", str(threads)]
                options += ["--network-threads", str(network_threads)]
                measured = measured_by("inprocess", [*options, "--seconds", str(seconds), *folder])
                runs.setdefault(name, []).append(measured)
            for concurrency in CONCURRENCIES:
                before = read_model_times(address)
                options = ["--address", address, "--concurrency", str(concurrency)]
                measured = measured_by(
                    "closed_loop", [*options, "--seconds", str(seconds), *folder]
                )
                runs.setdefault(served_name(concurrency), []).append(measured)
                if concurrency == 1:
                    times.append(stage_times_ms(before, read_model_times(address), models))
        progress.print(f"memory over {memory_requests} requests")
        memory = _memory_growth(server.pid, address, memory_requests, folder)
    return {
        "date": datetime.date.today().isoformat(),
        "machine": machine_facts(),
        "versions": installed_versions("packshot", "nvidia-pytriton", "openvino", "numpy"),
        "settings": {"rounds": rounds, "seconds": seconds, "photos": str(photos or "packaged")},
        "rows": {name: _row(measured) for name, measured in runs.items()},
        "ratios": _ratios(runs),
        "in_process_stages_ms": joined(runs[ONE_CALLER]).stages_ms,
        "served_stages_ms": {
            key: statistics.median(reading[key] for reading in times) for key in times[0]
        },
        "memory": {**asdict(memory), "ratio": memory.ratio},
    }


def _row(runs: Sequence[Measurement]) -> dict[str, float]:
    together = joined(runs)
    return {
        "throughput": statistics.median(run.throughput for run in runs),
        "mean_ms": statistics.fmean(together.latencies_ms),
        "p50_ms": statistics.median(run.percentile(50) for run in runs),
        "p95_ms": together.percentile(95),
        "p99_ms": together.percentile(99),
        "errors": together.errors,
    }


def _ratios(runs: dict[str, list[Measurement]]) -> dict[str, float]:
    """Taken within each round, then the median over the rounds."""
    best = [
        max(runs[served_name(c)][i].throughput for c in CONCURRENCIES)
        / max(runs[name][i].throughput for name in (ONE_CALLER, TWO_THREADS))
        for i in range(len(runs[TWO_THREADS]))
    ]
    added = [
        served.percentile(50) - alone.percentile(50)
        for served, alone in zip(runs[served_name(1)], runs[ONE_CALLER], strict=True)
    ]
    return {
        "best served throughput / in-process": statistics.median(best),
        "added latency at concurrency 1, ms": statistics.median(added),
    }


def _memory_growth(pid: int, address: str, requests: int, folder: list[str]) -> MemoryGrowth:
    first = requests // 10
    options = ["--address", address, "--concurrency", "32", *folder]
    errors = measured_by("closed_loop", [*options, "--count", str(first)]).errors
    after_first = _resident_mib(pid)
    errors += measured_by("closed_loop", [*options, "--count", str(requests - first)]).errors
    return MemoryGrowth(
        after_first=after_first,
        after_all=_resident_mib(pid),
        first=first,
        requests=requests,
        errors=errors,
    )


def _resident_mib(pid: int) -> float:
    """Proportional set size of the process and its children: shared pages counted once."""
    server = psutil.Process(pid)
    members = [server, *server.children(recursive=True)]
    return float(sum(member.memory_full_info().pss for member in members)) / 2**20


def print_tables(result: dict[str, Any]) -> None:
    """The result as a person reads it."""
    base = result["rows"][TWO_THREADS]["throughput"]
    table = Table(title=f"{QUALITY.name}: photos of 512 px, {result['machine']['cores']} cores")
    for heading in ("", "photos/s", "ratio", "p50 ms", "p95 ms", "p99 ms", "errors"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for name, row in result["rows"].items():
        latencies = (f"{row[key]:.1f}" for key in ("p50_ms", "p95_ms", "p99_ms"))
        throughput = row["throughput"]
        ratio = f"{throughput / base:.2f}"
        table.add_row(name, f"{throughput:.1f}", ratio, *latencies, str(row["errors"]))
    console.print(table)
    console.print(_time_table(result))
    for name, value in result["ratios"].items():
        console.print(f"{name}: {value:.2f}", highlight=False)
    memory = result["memory"]
    console.print(
        f"server memory after {memory['first']} requests {memory['after_first']:.0f} MiB, after"
        f" {memory['requests']} {memory['after_all']:.0f} MiB: ratio {memory['ratio']:.3f}",
        highlight=False,
    )


def _time_table(result: dict[str, Any]) -> Table:
    """Stages in-process beside the models that are served: the same ones, or one for all."""
    title = "where the time goes with one photo in flight, mean ms"
    table = Table(title=title, collapse_padding=True)  # A terminal of 80 columns shows it whole.
    for heading in ("", "in-process", "Triton: compute", "tensors", "queue"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    in_process, served = result["in_process_stages_ms"], result["served_stages_ms"]
    inside = 0.0
    for model in dict.fromkeys((*in_process, *(key.partition(".")[0] for key in served))):
        times = [served.get(f"{model}.{part}") for part in SERVED_PARTS]
        inside += sum(filter(None, times))
        alone = in_process.get(model, sum(in_process.values()))
        table.add_row(model, *("" if ms is None else f"{ms:.2f}" for ms in (alone, *times)))
    transport = result["rows"][served_name(1)]["mean_ms"] - inside
    table.add_row("transport, scheduling, client", "", f"{transport:.2f}", "", "")
    return table


app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def bench(
    repository: Annotated[Path, typer.Option(help="Triton model repository.")] = Path(
        "model_repository"
    ),
    photos: Annotated[Path | None, typer.Option(help="Folder of photos to send.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds.")] = 3,
    seconds: Annotated[float, typer.Option(min=1.0, help="Length of one measurement.")] = 8.0,
    memory_requests: Annotated[int, typer.Option(min=10, help="Requests of the memory test.")] = (
        10_000
    ),
    json_path: Annotated[Path | None, typer.Option("--json", help="Where to write it all.")] = None,
) -> None:
    """Measure the served path against the same functions in-process."""
    result = run_bench(
        repository,
        photos=photos,
        rounds=rounds,
        seconds=seconds,
        memory_requests=memory_requests,
    )
    print_tables(result)
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(result, indent=2) + "\n")


def main() -> None:
    """Entry point of ``packshot-bench``."""
    stop_on_signals("packshot-bench")  # Else the server would outlive a SIGTERM.
    try:
        app()
    except PackshotError as error:
        progress.print(f"packshot-bench: {error}", style="red", markup=False)
        raise SystemExit(2) from error
