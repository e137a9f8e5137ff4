"""``python -m packshot_loadtest.client_bench``: run everything, print a table, write JSON."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from packshot.serving.options import ServerConfig
from packshot.serving.ports import free_ports
from packshot.serving.process import TritonProcess
from packshot_loadtest.client_bench.canned_model import write_canned_repository
from packshot_loadtest.client_bench.contenders import BARE, CONTENDERS, PACKSHOT, TRITON
from packshot_loadtest.client_bench.timing import Timing

FACES: Final = ("sync", "async")
CONCURRENCIES: Final = (1, 16, 64)
_SOAK_START: Final = 10_000

console = Console()
progress = Console(stderr=True)
Case = tuple[str, int, str]


def timed(address: str, case: Case, *limits: str) -> Timing:
    """One run in a process of its own."""
    face, concurrency, contender = case
    command = [sys.executable, "-m", "packshot_loadtest.client_bench.timing"]
    command += ["--address", address, "--face", face, "--contender", contender]
    command += ["--concurrency", str(concurrency), *limits]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Timing(**json.loads(done.stdout))


def measure(address: str, rounds: int, seconds: float) -> dict[str, Any]:
    """All cases, ``rounds`` times, in turn; ratios are taken within a round."""
    runs: dict[Case, list[Timing]] = {}
    for number in range(rounds):
        progress.print(f"round {number + 1} of {rounds}")
        for face, concurrency in product(FACES, CONCURRENCIES):
            # Another order in each round: whoever comes first finds the machine cooler.
            turn = number % len(CONTENDERS)
            for contender in (*CONTENDERS[turn:], *CONTENDERS[:turn]):
                case = (face, concurrency, contender)
                timing = timed(address, case, "--seconds", str(seconds))
                runs.setdefault(case, []).append(timing)
    return {
        f"{face} {concurrency}": {
            "rows": {c: _row(runs[face, concurrency, c]) for c in CONTENDERS},
            **_ratios(*(runs[face, concurrency, c] for c in (BARE, TRITON, PACKSHOT))),
        }
        for face, concurrency in product(FACES, CONCURRENCIES)
    }


def _row(runs: list[Timing]) -> dict[str, float]:
    return {
        "calls_per_s": statistics.median(_rate(run) for run in runs),
        "p50_ms": statistics.median(_percentile(run, 50) for run in runs),
        "p99_ms": statistics.median(_percentile(run, 99) for run in runs),
        "cpu_us_per_call": statistics.median(_cpu_us(run) for run in runs),
    }


def _ratios(bare: list[Timing], triton: list[Timing], own: list[Timing]) -> dict[str, float]:
    def median(figure: Callable[[Timing, Timing], float], others: list[Timing]) -> float:
        return statistics.median(figure(o, b) for o, b in zip(own, others, strict=True))

    return {
        "throughput_over_bare": median(lambda o, b: _rate(o) / _rate(b), bare),
        "p50_over_bare_us": median(
            lambda o, b: (_percentile(o, 50) - _percentile(b, 50)) * 1000, bare
        ),
        "throughput_over_tritonclient": median(lambda o, b: _rate(o) / _rate(b), triton),
        "cpu_over_tritonclient": median(lambda o, b: _cpu_us(o) / _cpu_us(b), triton),
    }


def _rate(run: Timing) -> float:
    return len(run.latencies_ms) / run.wall_s


def _cpu_us(run: Timing) -> float:
    return run.cpu_s / len(run.latencies_ms) * 1e6


def _percentile(run: Timing, percent: float) -> float:
    return float(np.percentile(run.latencies_ms, percent))


def import_times_ms(rounds: int = 7) -> dict[str, float]:
    """Median time to import each client in a fresh interpreter."""
    code = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    found: dict[str, list[float]] = {}
    for _, module in product(range(rounds), ("packshot_client", "tritonclient.grpc.aio")):
        command = [sys.executable, "-c", code.format(module)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found.setdefault(module, []).append(float(done.stdout) * 1000)
    return {module: statistics.median(times) for module, times in found.items()}


def soak(address: str, calls: int) -> dict[str, Any]:
    """Memory of the client over many calls at concurrency 64."""
    found = {}
    for face in FACES:
        progress.print(f"{calls} calls, {face}")
        limits = ["--count", str(calls), "--checkpoint", str(min(_SOAK_START, calls // 2))]
        early, late = timed(address, (face, 64, PACKSHOT), *limits).resident_mib
        found[face] = {"early_mib": early, "late_mib": late, "ratio": late / early}
    return found


def print_tables(result: dict[str, Any]) -> None:
    """The result as a person reads it."""
    table = Table(title="one 50 kB photo a call, canned verdict; packshot against the others")
    for heading in ("", "calls/s", "of bare", "p50 over bare", "of tritonclient", "its CPU"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for name, case in result["cases"].items():
        table.add_row(
            name,
            f"{case['rows'][PACKSHOT]['calls_per_s']:.0f}",
            f"{case['throughput_over_bare']:.2f}",
            f"{case['p50_over_bare_us']:+.0f} us",
            f"{case['throughput_over_tritonclient']:.2f}",
            f"{case['cpu_over_tritonclient']:.2f}",
        )
    console.print(table)
    for module, milliseconds in result["import_ms"].items():
        console.print(f"import {module}: {milliseconds:.0f} ms", highlight=False)


def bench(
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.2, help="Length of one run.")] = 2.0,
    soak_calls: Annotated[
        int, typer.Option("--soak", min=0, help="Instead, test memory over so many calls.")
    ] = 0,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where to write it all.")] = None,
) -> None:
    """Measure the client against the bare gRPC stub and tritonclient."""
    grpc_port, metrics_port = free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        write_canned_repository(Path(folder) / "models")
        config = ServerConfig(
            model_repository=Path(folder) / "models",
            grpc_port=grpc_port,
            http_port=None,
            metrics_port=metrics_port,
        )
        with TritonProcess(config) as server:
            if soak_calls:
                result: dict[str, Any] = {"soak": soak(server.grpc_address, soak_calls)}
            else:
                cases = measure(server.grpc_address, rounds, seconds)
                result = {"cases": cases, "import_ms": import_times_ms()}
    result |= {
        "date": datetime.date.today().isoformat(),
        "machine": {"cores": os.cpu_count(), "system": platform.platform()},
        "versions": {name: version(name) for name in ("packshot", "grpcio", "tritonclient")},
        "settings": {"rounds": rounds, "seconds": seconds, "soak": soak_calls},
    }
    if soak_calls:
        for face, memory in result["soak"].items():
            console.print(f"{face}: {memory}", highlight=False)
    else:
        print_tables(result)
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(bench)
