"""Measuring generators: recognised by category, near to real pictures, and no copies of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from packshot.contracts import CATEGORIES
from packshot.errors import TrainingError
from packshot.training.evaluation.generator_classifier import Recognition
from packshot.training.evaluation.generator_copies import (
    Nearness,
    Neighbours,
    PixelArray,
    nearest,
    nearest_by_pixels,
    nearness,
)
from packshot.training.evaluation.generator_distances import SetDistance
from packshot.training.evaluation.generator_features import FloatArray
from packshot.training.evaluation.generator_judges import Advance, RealPackshots
from packshot.training.evaluation.generator_samples import TRUNCATIONS, draw_samples
from packshot.training.evaluation.generator_spread import spread
from packshot.training.generation.networks import AnyGenerator
from packshot.training.generation.packshots import Packshots
from packshot.training.metrics import Estimate


@dataclass(frozen=True, kw_only=True)
class SampleResult:
    """What was measured of the samples of one generator at one truncation.

    Attributes:
        recognition: By judge.
        distances: By judge, then by category and of all.
        spread: By category and of all, see ``spread``.
    """

    recognition: dict[str, Recognition]
    distances: dict[str, dict[str, SetDistance]]
    spread: dict[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class GeneratorResult:
    """What was measured of one generator.

    Attributes:
        name: As given.
        parameters: Number of them.
        pictures_seen: Real pictures shown in training; None where the file does not say.
        at: By truncation.
    """

    name: str
    parameters: int
    pictures_seen: int | None
    at: dict[float, SampleResult]


@dataclass(frozen=True, kw_only=True)
class Copies:
    """How near to training samples are, beside real held-out pictures.

    Attributes:
        by_features: Of each set, Euclidean distance of the features.
        by_pixels: Of each set, root mean square difference of the pixels, 0-255.
    """

    by_features: dict[str, Nearness]
    by_pixels: dict[str, Nearness]


@dataclass(frozen=True, kw_only=True, eq=False)
class ClosestPairs:
    """Samples and the training pictures nearest to them, the nearest pair first."""

    samples: list[PixelArray]
    originals: list[PixelArray]


@dataclass(frozen=True, kw_only=True)
class GeneratorEvaluation:
    """What was measured.

    Attributes:
        train: Number of training pictures.
        held_back: Number of real pictures held back.
        samples: Generated pictures of each category at each truncation.
        recognition: Of real held-out pictures, by judge.
        floor: Distances of real training pictures to held-out ones, at the counts of the samples,
            by judge.
        spread: Of real held-out pictures, by category and of all.
        generators: The first is the one in question.
        copies: Of the first.
        closest: The nearest pairs by features and by pixels, of the first.
    """

    train: int
    held_back: int
    samples: int
    recognition: dict[str, Recognition]
    floor: dict[str, dict[str, SetDistance]]
    spread: dict[str, Estimate]
    generators: list[GeneratorResult]
    copies: Copies
    closest: dict[str, ClosestPairs]


def evaluate_generators(
    generators: Mapping[str, tuple[AnyGenerator, int | None]],
    real: RealPackshots,
    *,
    per_category: int,
    draws: int,
    pairs: int,
    advance: Advance,
) -> GeneratorEvaluation:
    """Measure generators against real pictures.

    Args:
        generators: By name, with the number of real pictures each was shown; the first is the one
            in question.
        real: Real pictures, and the judges; the first's features tell copies.
        per_category: Samples of each category at each truncation.
        draws: For the intervals of the distances.
        pairs: Of samples and nearest training pictures to show.
        advance: Called with (stage, done, in all).

    Raises:
        TrainingError: A generator makes other categories than there are real pictures of.
    """
    for name, (generator, _) in generators.items():
        if generator.config.categories != len(CATEGORIES):
            raise TrainingError(
                f"{name} makes {generator.config.categories} categories, expected"
                f" {len(CATEGORIES)}: {', '.join(CATEGORIES)}"
            )
    floor = {
        judge.name: judge.distances(judge.train_features, real.train, draws)
        for judge in real.judges
    }
    advance("floor", 1, 1)
    results: list[GeneratorResult] = []
    first: dict[str, tuple[Packshots, FloatArray]] = {}
    for name, (generator, seen) in generators.items():
        at: dict[float, SampleResult] = {}
        for truncation in TRUNCATIONS:
            samples = draw_samples(generator, per_category=per_category, truncation=truncation)
            stage = f"{name}, truncation {truncation}"
            found = {
                judge.name: judge.features(samples.pictures, partial(advance, stage))
                for judge in real.judges
            }
            if not results:
                first[f"truncation {truncation}"] = samples, found[real.judges[0].name]
            at[truncation] = SampleResult(
                recognition={j.name: j.recognition(found[j.name], samples) for j in real.judges},
                distances={j.name: j.distances(found[j.name], samples, draws) for j in real.judges},
                spread=spread(samples),
            )
        results.append(
            GeneratorResult(
                name=name,
                parameters=sum(tensor.numel() for tensor in generator.parameters()),
                pictures_seen=seen,
                at=at,
            )
        )
    copies, closest = _copies(first, real, pairs, advance)
    return GeneratorEvaluation(
        train=len(real.train),
        held_back=len(real.held_back),
        samples=per_category,
        recognition={
            judge.name: judge.recognition(judge.held_back_features, real.held_back)
            for judge in real.judges
        },
        floor=floor,
        spread=spread(real.held_back),
        generators=results,
        copies=copies,
        closest=closest,
    )


def _copies(
    sets: Mapping[str, tuple[Packshots, FloatArray]],
    real: RealPackshots,
    pairs: int,
    advance: Advance,
) -> tuple[Copies, dict[str, ClosestPairs]]:
    judge = real.judges[0]
    every = {"real, held out": (real.held_back, judge.held_back_features), **sets}
    train_features = judge.space(judge.train_features)
    by_features: dict[str, Neighbours] = {}
    by_pixels: dict[str, Neighbours] = {}
    for done, (name, (packshots, features)) in enumerate(every.items()):
        by_features[name] = nearest(judge.space(features), train_features)
        by_pixels[name] = nearest_by_pixels(packshots.pictures, real.train.pictures)
        advance("nearest training pictures", done + 1, len(every))
    held_back = "real, held out"
    copies = Copies(
        by_features={n: nearness(f, by_features[held_back]) for n, f in by_features.items()},
        by_pixels={n: nearness(f, by_pixels[held_back]) for n, f in by_pixels.items()},
    )
    closest = {}
    for kind, found in (("features", by_features), ("pixels", by_pixels)):
        for name in every:
            closest[f"{name}, by {kind}"] = _closest(every[name][0], found[name], real, pairs)
    return copies, closest


def _closest(
    packshots: Packshots, found: Neighbours, real: RealPackshots, pairs: int
) -> ClosestPairs:
    order = np.argsort(found.distances, kind="stable")[:pairs]
    return ClosestPairs(
        samples=[packshots.pictures[row] for row in order],
        originals=[real.train.pictures[found.rows[row]] for row in order],
    )
