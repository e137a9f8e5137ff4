"""Reports: one HTML page that needs nothing else, JSON, CSV and PNG, in one folder."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Final

try:
    import jinja2
except ImportError as error:
    raise ImportError(f"reports need {error.name}: pip install 'packshot[loadtest]'") from error

from packshot_loadtest.results import plots
from packshot_loadtest.results.histograms import PERCENTILES
from packshot_loadtest.results.outcomes import Outcome
from packshot_loadtest.results.result import RunResult

_TEMPLATES: Final = Path(__file__).parent / "templates"
PERCENTILE_NAMES: Final = (*PERCENTILES, "max")


def write_report(result: RunResult, folder: Path) -> Path:
    """Write ``report.html``, ``result.json``, three CSV files and the plots as PNG.

    Args:
        result: Of a run.
        folder: Made if it is not there.

    Returns:
        The page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    result.write_json(folder / "result.json")
    _write_csv(result, folder)
    figures = plots.figures_of(result)
    for name, figure in figures.items():
        (folder / f"{name}.png").write_bytes(plots.png(figure))
    page = folder / "report.html"
    page.write_text(
        render(
            "run.html",
            result=result,
            plots={name: plots.svg(figure) for name, figure in figures.items()},
            percentiles=PERCENTILE_NAMES,
            outcomes=[outcome.label for outcome in Outcome if outcome is not Outcome.OK] + ["lost"],
            settings=json.dumps(result.settings, indent=2),
        ),
        encoding="utf-8",
    )
    return page


def render(template: str, **values: Any) -> str:
    """A template of this package, filled in."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["percent"] = lambda share: "–" if share is None else f"{share:.2%}"
    return environment.get_template(template).render(**values)


def number(value: float | None) -> str:
    """A number with four significant digits or so; a dash for none."""
    if value is None:
        return "–"
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value)}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _write_csv(result: RunResult, folder: Path) -> None:
    columns = ("planned", "sent", "throughput", "error_share")
    outcomes = [outcome.label for outcome in Outcome] + ["lost"]
    with (folder / "summary.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("kind", *columns, *outcomes, *(f"{p}_ms" for p in PERCENTILE_NAMES)))
        for kind, totals in result.summary.items():
            writer.writerow(
                (
                    kind,
                    *(totals[column] for column in columns),
                    *(totals["outcomes"][outcome] for outcome in outcomes),
                    *(totals["latency_ms"][name] for name in PERCENTILE_NAMES),
                )
            )
    with (folder / "seconds.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("kind", *result.series["all"]))
        for kind, series in result.series.items():
            writer.writerows((kind, *row) for row in zip(*series.values(), strict=True))
    with (folder / "requests.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("due_s", "kind", "outcome", "lag_us", "latency_us", "worker"))
        for due_s, lag_us, latency_us, kind, outcome, worker in result.samples.tolist():
            label = Outcome(outcome).label
            writer.writerow((f"{due_s:.6f}", result.kinds[kind], label, lag_us, latency_us, worker))
