"""How far one set of pictures is from another, by their features, and how much of it is covered.

- FD: the Fréchet distance of two Gaussians fitted to the sets (Heusel et al., arXiv 1706.08500).
  It is biased upwards by as much as the sets are small: compare values of equal counts only.
- KID: the unbiased squared maximum mean discrepancy with the kernel (x·y/d + 1)^3 (Bińkowski et
  al., arXiv 1801.01401); about 0 for two sets of one source, at any count.
- Density and coverage (Naeem et al., arXiv 2002.09797): how often the other set lies where real
  pictures are dense, which may pass 1, and which share of the real ones has a neighbour in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from packshot.training.metrics import Estimate

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

NEIGHBOURS: Final = 5
DRAWN_SHARE: Final = 0.8
"""Intervals come from draws of this share of each set, without replacement."""

MEASURES: Final = ("FD", "KID", "density", "coverage")


@dataclass(frozen=True, kw_only=True)
class SetDistance:
    """Distances of one set of pictures to the real ones that were held back.

    Attributes:
        count: Pictures of each set in a draw.
        measures: ``MEASURES``: the mean over draws and the range of 95 % of them.
    """

    count: int
    measures: dict[str, Estimate]


def frechet_distance(first: FloatArray, second: FloatArray) -> float:
    """FD of [N, D] and [M, D] features, N and M of at least 2."""
    sets = [first.astype(np.float64), second.astype(np.float64)]
    means = sets[0].mean(axis=0) - sets[1].mean(axis=0)
    spreads = [(one - one.mean(axis=0)) / np.sqrt(len(one) - 1) for one in sets]
    # The eigenvalues of the product of both covariances are the squared singular values of the
    # N x M matrix of products: exact, and far smaller than D x D.
    root_trace = np.linalg.svd(spreads[0] @ spreads[1].T, compute_uv=False).sum()
    traces = sum(np.square(spread).sum() for spread in spreads)
    return float(means @ means + traces - 2.0 * root_trace)


def kernel_distance(first: FloatArray, second: FloatArray) -> float:
    """KID of [N, D] and [M, D] features, N and M of at least 2."""
    x, y = first.astype(np.float64), second.astype(np.float64)

    def kernel(a: DoubleArray, b: DoubleArray) -> DoubleArray:
        return np.asarray((a @ b.T / a.shape[1] + 1.0) ** 3, np.float64)

    def mean_of_pairs(a: DoubleArray) -> float:
        values = kernel(a, a)
        return float((values.sum() - np.trace(values)) / (len(a) * (len(a) - 1)))

    return mean_of_pairs(x) + mean_of_pairs(y) - 2.0 * float(kernel(x, y).mean())


def density_and_coverage(real: FloatArray, other: FloatArray) -> tuple[float, float]:
    """Of [M, D] features against [N, D] real ones, N of more than 1."""
    neighbours = min(NEIGHBOURS, len(real) - 1)
    # The 0th is the picture itself.
    radii = np.partition(squared_distances(real, real), neighbours, axis=1)[:, neighbours]
    inside = squared_distances(real, other) < radii[:, None]
    density = inside.sum() / (neighbours * len(other))
    return float(density), float(inside.any(axis=1).mean())


def squared_distances(first: FloatArray, second: FloatArray) -> FloatArray:
    """[N, M] squared Euclidean distances of [N, D] and [M, D]."""
    squares = np.square(first).sum(axis=1)[:, None] + np.square(second).sum(axis=1)[None]
    return np.asarray(np.maximum(squares - 2.0 * (first @ second.T), 0.0), np.float32)


def set_distances(
    real: FloatArray,
    real_categories: IntArray,
    other: FloatArray,
    other_categories: IntArray,
    *,
    categories: tuple[str, ...],
    draws: int,
    seed: int = 0,
) -> dict[str, SetDistance]:
    """Distances by category, and under "all" of the whole sets, mixed as the real one is.

    Args:
        real: [N, D] features of real pictures.
        real_categories: [N] positions in ``categories``.
        other: [M, D] features; of each category as many as the real ones, or more.
        other_categories: [M], likewise.
        categories: Names.
        draws: Of ``DRAWN_SHARE`` of both sets, which give the intervals.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    values: dict[str, list[dict[str, float]]] = {name: [] for name in (*categories, "all")}
    counts: dict[str, int] = {}
    for _ in range(draws):
        drawn: list[tuple[FloatArray, FloatArray]] = []
        for number, name in enumerate(categories):
            rows = np.flatnonzero(real_categories == number)
            others = np.flatnonzero(other_categories == number)
            counts[name] = count = max(2, int(DRAWN_SHARE * min(len(rows), len(others))))
            pair = (
                real[rng.choice(rows, count, replace=False)],
                other[rng.choice(others, count, replace=False)],
            )
            values[name].append(_measured(*pair))
            drawn.append(pair)
        whole = [np.concatenate(side) for side in zip(*drawn, strict=True)]
        values["all"].append(_measured(whole[0], whole[1]))
    counts["all"] = sum(counts.values())
    return {
        name: SetDistance(
            count=counts[name],
            measures={measure: _over([one[measure] for one in found]) for measure in MEASURES},
        )
        for name, found in values.items()
    }


def _measured(real: FloatArray, other: FloatArray) -> dict[str, float]:
    density, coverage = density_and_coverage(real, other)
    found = (frechet_distance(real, other), kernel_distance(real, other), density, coverage)
    return dict(zip(MEASURES, found, strict=True))


def _over(values: list[float]) -> Estimate:
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(value=float(np.mean(values)), low=float(low), high=float(high))
