"""Figures as PNG files: matplotlib without a screen and without global state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from packshot.errors import TrainingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 120


def new_figure(*, width: float, height: float) -> Figure:
    """An empty figure, in inches, that draws with Agg.

    Raises:
        TrainingError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TrainingError(
            f"plots need {error.name}, which is not installed: pip install 'packshot[eval]'"
        ) from error
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    # pyplot would keep every figure alive and pick a backend by the environment.
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG, its folder made where missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png")
