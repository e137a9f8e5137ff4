"""The report folder of ``packshot-eval --out``: tables, numbers, plots and every prediction."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from rich.console import Console

from packshot.contracts import LEARNED_ATTRIBUTES
from packshot.training.evaluation.failures import plot_failures, worst_failures
from packshot.training.evaluation.plots import (
    plot_attribute_curves,
    plot_calibration,
    plot_confusion,
    plot_scatter,
)
from packshot.training.evaluation.quality import QualityEvaluation
from packshot.training.evaluation.tables import evaluation_tables
from packshot.training.report_file import write_json

TABLE_WIDTH = 150


def report_console() -> Console:
    """Where tables are printed: rich would cut them to 80 columns in a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=TABLE_WIDTH)


def report_numbers(evaluation: QualityEvaluation, *, weights: Path, digest: str) -> dict[str, Any]:
    """Everything measured, for JSON; ``digest`` is the SHA-256 of the weights file."""
    return {
        "weights": {"path": str(weights), "sha256": digest},
        "labels": {"kind": evaluation.labels.kind, "count": len(evaluation.labels)},
        "agreement": evaluation.agreement,
        "comparison": evaluation.comparison,
        "brisque_measured": evaluation.brisque_measured,
        "calibration": evaluation.calibration,
        "clean_photos": evaluation.clean_photos,
        "own_lowest": evaluation.own_lowest if evaluation.faults else None,
        "faults": evaluation.faults,
        "false_alarms": evaluation.false_alarms,
        "cost": evaluation.cost,
    }


def write_report(evaluation: QualityEvaluation, folder: Path, numbers: dict[str, Any]) -> list[str]:
    """Write the report folder; returns the names of the files written.

    Raises:
        TrainingError: matplotlib is missing.
    """
    write_json(folder / "report.json", numbers)
    with (folder / "report.txt").open("w", encoding="utf-8") as stream:
        console = Console(file=stream, width=TABLE_WIDTH, no_color=True)
        for table in evaluation_tables(evaluation):
            console.print(table)
    _write_predictions(evaluation, folder / "predictions.csv")
    plot_scatter(evaluation.labels, evaluation.predictions.scores, folder / "scatter.png")
    written = ["report.json", "report.txt", "predictions.csv", "scatter.png"]
    if evaluation.calibration is not None:
        plot_calibration(evaluation.calibration, folder / "calibration.png")
        written.append("calibration.png")
    if evaluation.labels.kind == "scores":
        failures = worst_failures(evaluation.labels, evaluation.predictions.scores)
        plot_failures(*failures, folder / "failures.png")
        written.append("failures.png")
    if evaluation.faults:
        plot_attribute_curves(evaluation.faults, folder / "attribute_curves.png")
        plot_confusion(evaluation.faults, folder / "confusion.png")
        written += ["attribute_curves.png", "confusion.png"]
    return written


def _write_predictions(evaluation: QualityEvaluation, path: Path) -> None:
    labels, predictions = evaluation.labels, evaluation.predictions
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "label", "score", "uncertainty", *LEARNED_ATTRIBUTES])
        for index, photo in enumerate(labels.photos):
            writer.writerow(
                [
                    photo.name,
                    f"{labels.targets[index]:.5g}" if labels.targets else "",
                    f"{predictions.scores[index]:.3f}",
                    f"{predictions.uncertainty[index]:.3f}",
                    *(f"{value:.4f}" for value in predictions.attributes[index]),
                ]
            )
