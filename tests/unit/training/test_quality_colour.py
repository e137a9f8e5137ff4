"""The branch for colour: versions of a photo, their features, what is learned from them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from packshot.contracts import LEARNED_ATTRIBUTES
from packshot.errors import TrainingError
from packshot.models.quality import QualityNet
from packshot.training.degradations import FAULTS
from packshot.training.quality.colour_branch import ColourRecipe, colour_losses, learn_colour
from packshot.training.quality.photos import CleanPhoto, clean_photos, split_biq2021
from packshot.training.quality.samples import NO_FAULT
from packshot.training.quality.versions import (
    VersionFeatures,
    VersionsConfig,
    draw_versions,
    version_features,
)

COLOUR = LEARNED_ATTRIBUTES.index("colour")
NAMES = [fault.name for fault in FAULTS]
UNDER, OVER = NAMES.index("under_saturation"), NAMES.index("over_saturation")
SMALL = VersionsConfig(photos=3, graded=(("under_saturation", 2),), others=1)


@pytest.fixture
def clean(data_folder: Path) -> dict[str, list[CleanPhoto]]:
    return clean_photos(data_folder, split_biq2021(data_folder / "biq2021").train)


def test_a_photo_comes_untouched_graded_and_with_other_faults(
    clean: dict[str, list[CleanPhoto]],
) -> None:
    versions = draw_versions(clean, VersionsConfig(), 4)
    assert versions.faults[0] == NO_FAULT
    assert versions.severities[0] == 0.0
    assert [NAMES[index] for index in versions.faults[1:10]] == (
        ["under_saturation"] * 4 + ["over_saturation"] * 3 + ["colour_cast"] * 2
    )
    for graded in (versions.severities[1:5], versions.severities[5:8], versions.severities[8:10]):
        assert list(graded) == sorted(graded)
        assert 0.0 < graded[0] < graded[-1] <= 1.0
    assert all(FAULTS[index].attribute != "colour" for index in versions.faults[10:])
    assert len(versions.pictures) == 12
    # Less colour than before, in every pixel's distance to grey.
    spread = [np.ptp(picture.astype(int), axis=2).mean() for picture in versions.pictures]
    assert spread[4] < spread[1] < spread[0] < spread[7]
    again = draw_versions(clean, VersionsConfig(), 4)
    np.testing.assert_array_equal(np.stack(again.pictures), np.stack(versions.pictures))
    assert again.severities != draw_versions(clean, VersionsConfig(), 5).severities


def test_features_that_are_there_are_not_made_again(
    clean: dict[str, list[CleanPhoto]], tmp_path: Path
) -> None:
    network = QualityNet().eval()
    done: list[tuple[int, int]] = []
    made = version_features(
        network, clean, SMALL, tmp_path, report=lambda *progress: done.append(progress)
    )
    assert made.features.shape[:2] == (3, 4)
    assert done == [(3, 3)]
    other = QualityNet().eval()
    for parameter in other.parameters():
        torch.nn.init.zeros_(parameter)
    again = version_features(other, clean, SMALL, tmp_path)
    torch.testing.assert_close(again.features, made.features, rtol=0, atol=0)
    (part,) = tmp_path.glob("*.npz")
    part.write_bytes(part.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"damaged .*; delete it to have it made again"):
        version_features(network, clean, SMALL, tmp_path)


def test_the_branch_learns_the_order_and_nothing_else_changes() -> None:
    torch.manual_seed(0)
    network = QualityNet().eval()
    network.feature_norm.running_mean.normal_()
    severities = torch.tensor([0.0, 0.3, 0.8, 0.4, 0.9]).repeat(32, 1)
    faults = torch.tensor([NO_FAULT, UNDER, UNDER, OVER, OVER]).repeat(32, 1)
    features = torch.randn(32, 1, 5824).repeat(1, 5, 1)
    features[..., :512] += torch.tensor([0.0, -1.0, -3.0, 1.0, 3.0])[:, None]
    data = VersionFeatures(
        features=features,
        faults=faults,
        severities=severities,
        trusted=torch.ones(32, dtype=torch.bool),
    )
    recipe = ColourRecipe(passes=40, warmup_steps=1, dropout=0.0)
    learned = learn_colour(network, data, recipe)

    cells = torch.zeros(160, 1456, 7, 7)
    with torch.inference_mode():
        before = network.heads(features.flatten(0, 1), cells)
        after = learned.heads(features.flatten(0, 1), cells)
    others = [index for index in range(7) if index != COLOUR]
    for kept, known in zip(
        (after[0], after[1][:, others], after[2], after[3]),
        (before[0], before[1][:, others], before[2], before[3]),
        strict=True,
    ):
        torch.testing.assert_close(kept, known, rtol=0, atol=0)

    def in_order(logits: torch.Tensor) -> float:
        colour = logits[:, COLOUR].unflatten(0, (32, 5))
        under = (colour[:, 0] > colour[:, 1]) & (colour[:, 1] > colour[:, 2])
        over = (colour[:, 0] > colour[:, 3]) & (colour[:, 3] > colour[:, 4])
        return (under & over).float().mean().item()

    assert in_order(before[1]) < 0.5
    assert in_order(after[1]) > 0.9
    # From the same weights, learned or not, the same comes out.
    again = learn_colour(learned, data, recipe)
    torch.testing.assert_close(again.colour_head.weight, learned.colour_head.weight)


def test_only_what_is_known_of_a_photo_is_taught() -> None:
    logits = torch.zeros(1, 3, 7)
    logits[..., COLOUR] = torch.tensor([4.0, 1.0, -2.0])
    faults = torch.tensor([[NO_FAULT, UNDER, UNDER]])
    severities = torch.tensor([[0.0, 0.5, 1.0]])
    recipe = ColourRecipe()

    def losses(trusted: bool, of: torch.Tensor = logits) -> dict[str, float]:
        terms = colour_losses(of, faults, severities, torch.tensor([trusted]), recipe)
        return {name: value.item() for name, value in terms.items()}

    assert losses(True)["order"] == 0.0
    assert losses(True, -logits)["order"] > 1.0
    # What else an untrusted photo has wrong is not known, so neither is what is lowest in it.
    assert losses(False)["lowest"] == 0.0
    assert losses(True)["lowest"] > 0.0
    without = logits.clone()
    without[0, 0, COLOUR] = -4.0
    assert losses(False, without)["value"] == losses(False)["value"]
    assert losses(True, without)["value"] > losses(True)["value"]


def test_wrong_configurations_are_refused() -> None:
    for wrong in ({"graded": (("jpeg", 2),)}, {"graded": ()}, {"photos": 0}, {"others": 99}):
        with pytest.raises(ValueError, match="got"):
            VersionsConfig(**wrong)  # type: ignore[arg-type]
    for wrong_recipe in ({"passes": 0}, {"rate": 0.0}, {"dropout": 1.0}):
        with pytest.raises(ValueError, match="got"):
            dataclasses.replace(ColourRecipe(), **wrong_recipe)  # type: ignore[arg-type]
