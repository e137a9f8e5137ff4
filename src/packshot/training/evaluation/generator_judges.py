"""Who judges generated packshots: two networks that have learned the categories on real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from packshot.contracts import CATEGORIES
from packshot.training.evaluation.generator_classifier import (
    CategoryClassifier,
    Recognition,
    train_classifier,
)
from packshot.training.evaluation.generator_distances import SetDistance, set_distances
from packshot.training.evaluation.generator_features import (
    FloatArray,
    PictureFeatures,
    PixelArray,
    last_layer,
)
from packshot.training.evaluation.generator_pixel_judge import pixel_judge
from packshot.training.generation.packshots import Packshots, read_packshots, split_packshots

BACKBONE_JUDGE: Final = "Lite0"
"""Features of the backbone that trains the generator too, unless its recipe leaves that out."""

PIXEL_JUDGE: Final = "own CNN"
"""A small network trained on real pixels for this alone."""

JUDGES: Final = (BACKBONE_JUDGE, PIXEL_JUDGE)

Advance = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """A space of features, and a classifier of categories in it.

    Attributes:
        name: One of ``JUDGES``.
        features: [N, 64, 64, 3] uint8 pictures, and whom to tell of the progress, to [N, D].
        space: [N, D] features to those that distances are measured in.
        classifier: Of [N, D] features.
        train_features: [N, D] of the real pictures that generators and judges learned from.
        held_back: Categories and names of the real pictures that they did not.
        held_back_features: [M, D] of those.
    """

    name: str
    features: Callable[[PixelArray, Callable[[int, int], None]], FloatArray]
    space: Callable[[FloatArray], FloatArray]
    classifier: CategoryClassifier
    train_features: FloatArray
    held_back: Packshots
    held_back_features: FloatArray

    def recognition(self, features: FloatArray, packshots: Packshots) -> Recognition:
        """How many of the pictures with these features are taken for what they are."""
        return self.classifier.recognition(features, packshots.categories, CATEGORIES)

    def distances(
        self, features: FloatArray, packshots: Packshots, draws: int
    ) -> dict[str, SetDistance]:
        """Of the pictures with these features to real held-out ones, by category and in all."""
        return set_distances(
            self.space(self.held_back_features),
            self.held_back.categories,
            self.space(features),
            packshots.categories,
            categories=CATEGORIES,
            draws=draws,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class RealPackshots:
    """Real pictures, and those who know them.

    Attributes:
        train: What generators and judges learned from.
        held_back: What they did not.
        judges: In the order of ``JUDGES``.
    """

    train: Packshots
    held_back: Packshots
    judges: tuple[Judge, ...]


def read_real(data: Path, cache: Path | None, advance: Advance) -> RealPackshots:
    """Real pictures of both parts, and both judges.

    Args:
        data: Folder with packshots/.
        cache: Folder that keeps features of Lite0 and the trained CNN; None keeps nothing.
        advance: Called with (stage, done, in all).

    Raises:
        TrainingError: See ``read_packshots`` and ``PictureFeatures``.
    """
    train, held_back = split_packshots(read_packshots(data / "packshots"))
    backbone = PictureFeatures(cache)
    by_backbone = backbone.kept(train.pictures, partial(advance, "training pictures"))
    own = pixel_judge(
        train.pictures, train.categories, cache=cache, advance=partial(advance, PIXEL_JUDGE)
    )
    judges = (
        Judge(
            name=BACKBONE_JUDGE,
            features=backbone.of,
            space=last_layer,
            classifier=train_classifier(by_backbone, train.categories),
            train_features=by_backbone,
            held_back=held_back,
            held_back_features=backbone.kept(
                held_back.pictures, partial(advance, "held-out pictures")
            ),
        ),
        Judge(
            name=PIXEL_JUDGE,
            features=own.of,
            space=lambda features: features,
            classifier=own.classifier,
            train_features=own.of(train.pictures),
            held_back=held_back,
            held_back_features=own.of(held_back.pictures),
        ),
    )
    return RealPackshots(train=train, held_back=held_back, judges=judges)
