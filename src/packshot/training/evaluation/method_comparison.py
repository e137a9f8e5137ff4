"""The quality network beside other measures, on the same photos and the same labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from packshot.training.evaluation.baselines import Baseline
from packshot.training.evaluation.predictions import open_photo
from packshot.training.feedback.label_agreement import label_agreement
from packshot.training.feedback.labels import Labels
from packshot.training.metrics import Estimate, FloatArray

Advance = Callable[[int], None]
"""Called with the number of photos just finished."""


@dataclass(frozen=True, kw_only=True)
class MethodAgreement:
    """Agreement of one method with people.

    Attributes:
        method: Its name.
        photos: Photos it gave a number for.
        metrics: By name, with intervals.
    """

    method: str
    photos: int
    metrics: dict[str, Estimate]


def baseline_values(
    baselines: Sequence[Baseline], photos: Sequence[Path], advance: Advance = lambda _: None
) -> dict[str, FloatArray]:
    """[photos] values of each baseline; each photo is read once."""
    values = {baseline.name: np.full(len(photos), np.nan) for baseline in baselines}
    for index, path in enumerate(photos):
        picture = open_photo(path)
        for baseline in baselines:
            values[baseline.name][index] = baseline.measure(picture)
        advance(1)
    return values


def compare_methods(
    labels: Labels,
    network_scores: FloatArray,
    baselines: dict[str, FloatArray],
    *,
    resamples: int = 1000,
) -> list[MethodAgreement]:
    """One row a method: the network first.

    The baselines have units of their own. Their RMSE is that of the straight line fitted to these
    very photos, which flatters them; the network's is taken as it is.
    """
    rows = [
        MethodAgreement(
            method="quality network",
            photos=len(labels.photos),
            metrics=label_agreement(labels, network_scores, resamples=resamples),
        )
    ]
    for name, values in baselines.items():
        defined = np.isfinite(values)
        known = _where(labels, defined)
        if len(known) < 2:
            continue
        kept = values[defined] if labels.kind != "pairs" else values
        if labels.kind == "scores":
            kept = _fitted(kept, np.array(known.targets) * 100.0)
        rows.append(
            MethodAgreement(
                method=name,
                photos=int(defined.sum()),
                metrics=label_agreement(known, kept, resamples=resamples),
            )
        )
    return rows


def _where(labels: Labels, defined: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Labels:
    """The labels whose photos have a value. Pairs keep their photo list, and so its indexes."""
    if labels.kind != "pairs":
        return labels.chosen([int(index) for index in np.flatnonzero(defined)])
    return Labels(
        kind="pairs",
        photos=labels.photos,
        pairs=tuple(pair for pair in labels.pairs if defined[pair[0]] and defined[pair[1]]),
    )


def _fitted(values: FloatArray, human: FloatArray) -> FloatArray:
    """Values on the human scale by least squares; never turned upside down."""
    spread = values - values.mean()
    variance = float((spread**2).mean())
    slope = float((spread * (human - human.mean())).mean()) / variance if variance > 0 else 0.0
    # A negative slope would hide that a measure ranks the wrong way round.
    return np.asarray(human.mean() + max(slope, 1e-9) * spread, np.float64)
