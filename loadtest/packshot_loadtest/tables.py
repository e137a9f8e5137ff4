"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table

from packshot_loadtest.knee import Knee
from packshot_loadtest.results.comparison import Difference
from packshot_loadtest.results.outcomes import Outcome
from packshot_loadtest.results.report import PERCENTILE_NAMES, number
from packshot_loadtest.results.result import RunResult
from packshot_loadtest.scenarios.judgement import Judgement

console: Final = Console(highlight=False)
progress: Final = Console(stderr=True, highlight=False)

_STYLES: Final = {"better": "green", "worse": "red"}


def say(message: str) -> None:
    """Tell, on stderr, what is being done."""
    progress.print(message, markup=False)


def print_run(result: RunResult) -> None:
    """A run, as a person reads it."""
    console.print(
        _table(
            "latency from the intended start, ms",
            ("kind", "planned", "right/s", "errors", *PERCENTILE_NAMES),
            (
                (
                    kind,
                    str(totals["planned"]),
                    f"{totals['throughput']:.1f}",
                    f"{totals['error_share']:.2%}",
                    *(number(totals["latency_ms"][name]) for name in PERCENTILE_NAMES),
                )
                for kind, totals in result.summary.items()
            ),
        )
    )
    outcomes = result.summary["all"]["outcomes"]
    wrong = [f"{n} {name}" for name, n in outcomes.items() if n and name != Outcome.OK.label]
    health = result.generator
    console.print(
        f"not right: {', '.join(wrong) or 'none'}; late: {health['late']}"
        f" ({health['late_share']:.2%}); generator lag p99 {number(health['lag_ms']['p99'])} ms"
    )
    for message, count in list(result.messages.items())[:5]:
        console.print(f"  {count} × {message}", markup=False)
    if result.checks:
        print_checks(result.checks)
    for reason in health["reasons"]:
        console.print(reason, style="red", markup=False)
    console.print(result.verdict, style="green" if result.exit_code == 0 else "red", markup=False)


def print_checks(checks: Iterable[dict[str, Any]]) -> None:
    """Objectives, and by how much each is missed."""
    console.print(
        _table(
            "objectives",
            ("kind", "objective", "bound", "measured", "", "missed by"),
            (
                (
                    check["kind"],
                    check["objective"],
                    number(check["bound"]),
                    number(check["measured"]),
                    "met" if check["met"] else "MISSED",
                    "" if check["met"] or check["by"] is None else f"{check['by']:.1%}",
                )
                for check in checks
            ),
        )
    )


def print_knee(knee: Knee) -> None:
    """The rates tried, and the knee."""
    console.print(
        _table(
            "rates tried",
            ("rate/s", "right/s", "p50 ms", "p99 ms", "errors", ""),
            (
                (
                    f"{probe.rate:.1f}",
                    f"{probe.throughput:.1f}",
                    number(probe.latency_ms["p50"]),
                    number(probe.latency_ms["p99"]),
                    f"{probe.error_share:.2%}",
                    ("held" if probe.passed else "missed") if probe.valid else "generator",
                )
                for probe in knee.probes
            ),
        )
    )
    if knee.rate is None:
        console.print("no rate held the objectives", style="red")
        return
    words = {
        "server": "",
        "generator": "; the generator could send no more, so the server's knee is higher",
        "search": "; the highest rate allowed held, so the server's knee is higher",
    }[knee.bounded_by]
    confirmed = "confirmed" if knee.confirmed else "not confirmed"
    console.print(f"knee: {knee.rate:.1f} requests/s, {confirmed}{words}")


def print_differences(differences: Sequence[Difference]) -> None:
    """What changed between two runs."""
    console.print(
        _table(
            "after / before, with 95 % intervals (error share: difference)",
            ("kind", "number", "before", "after", "ratio", "interval", "verdict"),
            (
                (
                    d.kind,
                    d.metric,
                    f"{d.before:.4g}",
                    f"{d.after:.4g}",
                    f"{d.ratio:.3f}",
                    f"{d.low:.3f} to {d.high:.3f}",
                    f"[{_STYLES[d.verdict]}]{d.verdict}[/]" if d.verdict in _STYLES else d.verdict,
                )
                for d in differences
            ),
        )
    )


def print_judgement(judged: Judgement) -> None:
    """What a scenario showed."""
    console.print(
        _table(
            judged.scenario,
            ("must be true", "measured", ""),
            ((f.what, f.measured, "holds" if f.holds else "FAILS") for f in judged.findings),
            left=3,
        )
    )
    style = "green" if judged.passed else "red"
    console.print(f"{judged.scenario}: {'pass' if judged.passed else 'FAIL'}", style=style)


def _table(
    title: str, headings: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1
) -> Table:
    # Narrow: a terminal of 80 columns must not cut the last digits of a percentile.
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for index, heading in enumerate(headings):
        justify: JustifyMethod = "left" if index < left else "right"
        table.add_column(heading, justify=justify, no_wrap=left == 1)
    for row in rows:
        table.add_row(*row)
    return table
