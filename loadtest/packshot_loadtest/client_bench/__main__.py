"""``python -m packshot_loadtest.client_bench``: run everything, print tables, write JSON."""

from __future__ import annotations

import datetime
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from packshot.errors import PackshotError
from packshot.serving.signals import stop_on_signals
from packshot_loadtest.client_bench.comparison import compared, compared_pairs
from packshot_loadtest.client_bench.contenders import CONTENDERS, PACKSHOT
from packshot_loadtest.client_bench.servers import canned_server, live_server
from packshot_loadtest.client_bench.timing import Timing
from packshot_loadtest.machine import installed_versions, machine_facts
from packshot_loadtest.payloads import packaged_payloads

FACES: Final = {"sync": "threads", "async": "asyncio"}
CANNED: Final = "a canned model"
LIVE: Final = "Triton as it ships"
_IN_FLIGHT: Final = {CANNED: (1, 16, 64), LIVE: (16,)}
_SOAK_START: Final = 10_000

console = Console()
progress = Console(stderr=True)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One server to measure against.

    Attributes:
        address: Of its gRPC port.
        photo: File that every call sends.
    """

    address: str
    photo: Path

    def timed(self, face: str, in_flight: int, contender: str, *limits: str) -> Timing:
        """One run of one contender in a process of its own."""
        case = ["--face", face, "--concurrency", str(in_flight), "--contender", contender]
        return Timing(**self._answer("timing", *case, *limits))

    def rounds(self, face: str, in_flight: int, rounds: int, seconds: float) -> dict[str, Any]:
        """All contenders ``rounds`` times in turn, compared within a round."""
        runs: dict[str, list[Timing]] = {name: [] for name in CONTENDERS}
        for number in range(rounds):
            progress.print(f"{FACES[face]}, {in_flight} in flight: {number + 1} of {rounds}")
            # Another order in each round: whoever comes first finds the machine cooler.
            turn = number % len(CONTENDERS)
            for name in (*CONTENDERS[turn:], *CONTENDERS[:turn]):
                runs[name].append(self.timed(face, in_flight, name, "--seconds", str(seconds)))
        return compared(runs)

    def pairs(self, face: str, count: int) -> dict[str, Any]:
        """All contenders call by call in turn, in one process."""
        progress.print(f"{FACES[face]}, call by call: {count} of each")
        answer = self._answer("pairs", "--face", face, "--count", str(count))
        return compared_pairs({name: Timing(**timing) for name, timing in answer.items()})

    def soak(self, face: str, calls: int) -> dict[str, float]:
        """Memory of the client over many calls at 64 in flight."""
        progress.print(f"{FACES[face]}: {calls} calls")
        limits = ("--count", str(calls), "--checkpoint", str(min(_SOAK_START, calls // 2)))
        early, late = self.timed(face, 64, PACKSHOT, *limits).resident_mib
        return {"early_mib": early, "late_mib": late, "ratio": late / early}

    def _answer(self, program: str, *arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-m", f"packshot_loadtest.client_bench.{program}", *arguments]
        command += ["--address", self.address, "--photo", str(self.photo)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def measure(
    case: Bench, in_flight: tuple[int, ...], rounds: int, seconds: float, pairs: int
) -> dict[str, Any]:
    """All that is asked of one server, by the name that it has in the table."""
    found: dict[str, Any] = {}
    for face, title in FACES.items():
        found[f"{title}, 1, in turn"] = case.pairs(face, pairs)
        for number in in_flight:
            found[f"{title}, {number}"] = case.rounds(face, number, rounds, seconds)
    return found


def import_times_ms(rounds: int = 7) -> dict[str, float]:
    """Median time to import each client in a fresh interpreter."""
    code = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    found: dict[str, list[float]] = {}
    for _, module in product(range(rounds), ("packshot_client", "tritonclient.grpc.aio")):
        command = [sys.executable, "-c", code.format(module)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found.setdefault(module, []).append(float(done.stdout) * 1000)
    return {module: statistics.median(times) for module, times in found.items()}


def print_result(result: dict[str, Any]) -> None:
    """The result as a person reads it."""
    for title, memory in result.get("soak", {}).items():
        console.print(f"{title}: {memory}", highlight=False)
    for server, cases in result.get("cases", {}).items():
        print_table(server, cases)
    for module, milliseconds in result.get("import_ms", {}).items():
        console.print(f"import {module}: {milliseconds:.0f} ms", highlight=False)


def print_table(server: str, cases: dict[str, Any]) -> None:
    """The cases of one server."""
    table = Table(title=f"one photo a call, answered by {server}; packshot against the others")
    headings = (
        *("", "calls/s"),
        *("of bare", "p50 over bare", "CPU over bare"),
        *("of stub and reading", "p50 over it", "CPU over it"),
        *("of tritonclient", "of its CPU"),
    )
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left")
    for name, case in cases.items():
        stubs = (
            text
            for stub in ("bare", "reading")
            for text in (
                f"{case[f'throughput_over_{stub}']:.2f}",
                f"{case[f'p50_over_{stub}_us']:+.0f} us{_interval(case, stub)}",
                f"{case[f'cpu_over_{stub}_us']:+.0f} us",
            )
        )
        table.add_row(
            name,
            f"{case['rows'][PACKSHOT]['calls_per_s']:.0f}",
            *stubs,
            f"{case['throughput_over_tritonclient']:.2f}",
            f"{case['cpu_over_tritonclient']:.2f}",
        )
    console.print(table)


def _interval(case: dict[str, Any], stub: str) -> str:
    ends = case.get(f"p50_over_{stub}_interval_us", ())
    return f" [{ends[0]:+.0f}, {ends[1]:+.0f}]" if ends else ""


app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def bench(
    repository: Annotated[Path, typer.Option(help="Triton model repository.")] = Path(
        "model_repository"
    ),
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds.")] = 3,
    seconds: Annotated[
        float, typer.Option(min=0.2, help="Length of a run; twice that for Triton as it ships.")
    ] = 2.0,
    pairs: Annotated[
        int, typer.Option(min=10, help="Calls of each contender, call by call in turn.")
    ] = 1000,
    soak_calls: Annotated[
        int, typer.Option("--soak", min=0, help="Instead, test memory over so many calls.")
    ] = 0,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where to write it all.")] = None,
) -> None:
    """Measure the client against the bare gRPC stub and tritonclient."""
    result: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": machine_facts(),
        "versions": installed_versions("packshot", "grpcio", "protobuf", "tritonclient"),
        "settings": {"rounds": rounds, "seconds": seconds, "pairs": pairs, "soak": soak_calls},
    }
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        photo.write_bytes(packaged_payloads()[1])
        if soak_calls:
            with canned_server() as address:
                case = Bench(address=address, photo=photo)
                result["soak"] = {
                    title: case.soak(face, soak_calls) for face, title in FACES.items()
                }
        else:
            servers = {CANNED: canned_server(), LIVE: live_server(repository)}
            result["cases"] = {}
            for name, server in servers.items():
                with server as address:
                    case = Bench(address=address, photo=photo)
                    lasts = seconds * (2 if name == LIVE else 1)
                    result["cases"][name] = measure(case, _IN_FLIGHT[name], rounds, lasts, pairs)
            result["import_ms"] = import_times_ms()
    print_result(result)
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    stop_on_signals("client_bench")  # Else the server would outlive a SIGTERM.
    try:
        app()
    except PackshotError as error:
        progress.print(f"client_bench: {error}", style="red", markup=False)
        raise SystemExit(2) from error
