"""The table of ``packshot-bench``: whichever models serve, each second of a photo is in it once."""

from __future__ import annotations

from typing import Any

import pytest

from packshot_loadtest.bench import ONE_CALLER, TWO_THREADS, print_tables, served_name

STAGES = {"decode_image": 4.0, "quality_net": 11.0, "quality_verdict": 1.5}


def result(served: dict[str, tuple[float, float, float]]) -> dict[str, Any]:
    """Of a server with these models: compute, tensors and queue of each; 25 ms in all."""
    row = {"throughput": 50.0, "mean_ms": 25.0, "p50_ms": 24.0, "p95_ms": 30.0, "p99_ms": 40.0}
    names = (ONE_CALLER, TWO_THREADS, served_name(1))
    return {
        "machine": {"cores": 2},
        "rows": {name: {**row, "errors": 0} for name in names},
        "in_process_stages_ms": STAGES,
        "served_stages_ms": {
            f"{model}.{part}": value
            for model, times in served.items()
            for part, value in zip(
                ("compute", "tensors", "queue", "batch"), (*times, 1.0), strict=True
            )
        },
        "ratios": {},
        "memory": {
            "after_first": 1.0,
            "after_all": 1.0,
            "first": 1,
            "requests": 10,
            "errors": 0,
            "ratio": 1.0,
        },
    }


def time_rows(text: str) -> dict[str, list[str]]:
    """Cells of the second table, by its first."""
    lines = text[text.index("where the time goes") :].splitlines()
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    return {name: own for name, *own in cells}


def test_one_model_beside_the_sum_of_its_stages(capsys: pytest.CaptureFixture[str]) -> None:
    print_tables(result({"quality": (18.0, 0.5, 0.25)}))
    assert time_rows(capsys.readouterr().out) == {
        "decode_image": ["4.00", "", "", ""],
        "quality_net": ["11.00", "", "", ""],
        "quality_verdict": ["1.50", "", "", ""],
        "quality": ["16.50", "18.00", "0.50", "0.25"],
        "transport, scheduling, client": ["", "6.25", "", ""],
    }


def test_an_ensemble_beside_its_stages(capsys: pytest.CaptureFixture[str]) -> None:
    stages = {"decode_image": (5.0, 0.5, 0.25), "quality_net": (12.0, 0.5, 0.0)}
    print_tables(result({**stages, "quality_verdict": (2.0, 0.5, 0.25)}))
    assert time_rows(capsys.readouterr().out) == {
        "decode_image": ["4.00", "5.00", "0.50", "0.25"],
        "quality_net": ["11.00", "12.00", "0.50", "0.00"],
        "quality_verdict": ["1.50", "2.00", "0.50", "0.25"],
        "transport, scheduling, client": ["", "4.00", "", ""],
    }
