"""Learning from labels: it learns from few, and forgets little."""

import copy
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from packshot.errors import TrainingError
from packshot.models.efficientnet_lite import imagenet_checkpoint
from packshot.models.quality import QualityNet
from packshot.models.weights import load_quality_net, save_weights
from packshot.training.feedback.features import (
    LabelledFeatures,
    labelled_features,
    scores_of,
    serving_features,
)
from packshot.training.feedback.labels import GradeThresholds, Labels
from packshot.training.feedback.learning import hold_out, learn_from_labels
from packshot.training.feedback.recipe import FeedbackRecipe
from packshot.training.feedback.trainer import fine_tune, grade_loss, ranking_loss
from packshot.training.metrics import FloatArray, srcc

RECIPE = FeedbackRecipe(views=2, steps=200, batch=16, anchors=16)
LOOSE = dataclasses.replace(
    RECIPE, self_weight=0.0, spoilt_weight=0.0, weight_anchor=0.0, rate=1e-3
)
LEARNED_FROM = 26


@dataclass(frozen=True, kw_only=True)
class World:
    """Pictures that are more or less blurred and more or less red.

    The initial network knows that blur is bad. What it happens to think of red, the labels
    turn round. They are of sharp pictures only: they hold nothing of what is known, so that it can
    be forgotten.
    """

    initial: QualityNet
    photos: tuple[Path, ...]
    features: LabelledFeatures
    wanted: FloatArray
    other_features: Tensor
    other_sharpness: FloatArray


def write_pictures(
    folder: Path, count: int, seed: int, *, most_blur: float, most_red: float
) -> tuple[tuple[Path, ...], FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    blur, redness = most_blur * rng.random(count), most_red * rng.random(count)
    folder.mkdir()
    paths = []
    for number in range(count):
        noise = rng.integers(0, 256, (56, 56, 3), dtype=np.uint8)
        picture = cv2.resize(noise, (224, 224), interpolation=cv2.INTER_NEAREST)
        picture = cv2.GaussianBlur(picture, (0, 0), 0.3 + 5.0 * blur[number])
        picture[..., :2] = picture[..., :2] * (1.0 - 0.8 * redness[number])  # BGR
        paths.append((folder / f"{number:02}.png").resolve())
        cv2.imwrite(str(paths[-1]), picture)
    return tuple(paths), 1.0 - blur, redness


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("world")
    photos, _, redness = write_pictures(root / "labelled", 36, 1, most_blur=0.1, most_red=1.0)
    others, other_sharpness, _ = write_pictures(root / "others", 24, 2, most_blur=1.0, most_red=0.0)
    torch.manual_seed(0)
    network = QualityNet()
    network.backbone.load_imagenet_weights(imagenet_checkpoint())
    network.eval()
    features = labelled_features(network, photos, RECIPE)
    other_features = serving_features(network, others)
    seen = torch.cat([features.views.flatten(0, 1), other_features])
    network.feature_norm.running_mean = seen.mean(dim=0)
    network.feature_norm.running_var = seen.var(dim=0) + 0.01
    known = Labels(kind="scores", photos=others, targets=tuple(0.3 + 0.5 * other_sharpness))
    as_views = LabelledFeatures(views=other_features[:, None], spoilt=other_features[:, None])
    initial = fine_tune(network, known, as_views, LOOSE)
    likes_red = srcc(scores(initial, features.views[:, 0]), redness) > 0
    return World(
        initial=initial,
        photos=photos,
        features=features,
        wanted=0.8 - 0.5 * redness if likes_red else 0.3 + 0.5 * redness,
        other_features=other_features,
        other_sharpness=other_sharpness,
    )


def labels_of(kind: str, world: World) -> Labels:
    photos, wanted = world.photos, world.wanted
    if kind == "scores":
        return Labels(kind="scores", photos=photos, targets=tuple(wanted))
    if kind == "grades":
        grades = np.digitize(wanted * 100, [45.0, 65.0]).astype(float)
        return Labels(kind="grades", photos=photos, targets=tuple(grades))
    rng = np.random.default_rng(0)
    pairs = [
        sorted(rng.choice(len(photos), 2, replace=False), key=lambda i: -wanted[i])
        for _ in range(80)
    ]
    return Labels(kind="pairs", photos=photos, pairs=tuple((int(a), int(b)) for a, b in pairs))


@torch.no_grad()
def scores(network: QualityNet, features: Tensor) -> FloatArray:
    return scores_of(network.eval(), features)[0].double().numpy()


def learn(world: World, kind: str, recipe: FeedbackRecipe) -> tuple[QualityNet, float, float]:
    """The network, and SRCC with what is wanted on unlabelled photos before and after."""
    labels = labels_of(kind, world)
    # Learn from what the first photos say; measure on the others.
    if kind == "pairs":
        kept = [i for i, pair in enumerate(labels.pairs) if max(pair) < LEARNED_FROM]
        places = sorted({p for i in kept for p in labels.pairs[i]})
    else:
        kept = places = list(range(LEARNED_FROM))
    features = LabelledFeatures(
        views=world.features.views[places], spoilt=world.features.spoilt[places]
    )
    network = fine_tune(world.initial, labels.chosen(kept), features, recipe)
    unseen, wanted = world.features.views[LEARNED_FROM:, 0], world.wanted[LEARNED_FROM:]
    return (
        network,
        srcc(scores(world.initial, unseen), wanted),
        srcc(scores(network, unseen), wanted),
    )


@pytest.mark.parametrize("kind", ["scores", "grades", "pairs"])
def test_it_learns_from_few_labels_and_forgets_little(world: World, kind: str) -> None:
    network, before, after = learn(world, kind, RECIPE)
    knew = srcc(scores(world.initial, world.other_features), world.other_sharpness)
    knows = srcc(scores(network, world.other_features), world.other_sharpness)
    print(f"{kind}: wanted {before:.3f} -> {after:.3f}, known {knew:.3f} -> {knows:.3f}")
    assert before < 0.3
    # A pair says less than a score: that one photo leads, not by how much.
    assert after > (before + 0.2 if kind == "pairs" else 0.6)
    assert knew > 0.9
    assert knows > knew - 0.15


def test_without_anchors_it_forgets(world: World) -> None:
    held, _, _ = learn(world, "scores", RECIPE)
    free, _, _ = learn(world, "scores", LOOSE)
    knows_held, knows_free = (
        srcc(scores(network, world.other_features), world.other_sharpness)
        for network in (held, free)
    )
    print(f"known: held {knows_held:.3f}, free {knows_free:.3f}")
    assert knows_free < knows_held - 0.2


def test_replayed_photos_keep_their_scores(world: World) -> None:
    labels = labels_of("scores", world)
    first = scores(world.initial, world.other_features)
    alone = fine_tune(world.initial, labels, world.features, RECIPE)
    replayed = fine_tune(world.initial, labels, world.features, RECIPE, replay=world.other_features)
    change_alone, change_replayed = (
        np.abs(scores(network, world.other_features) - first).mean()
        for network in (alone, replayed)
    )
    print(f"change alone {change_alone:.3f}, replayed {change_replayed:.3f}")
    assert change_replayed < 0.7 * change_alone


def test_attributes_and_map_stay_bit_for_bit(world: World) -> None:
    before = copy.deepcopy(world.initial.state_dict())
    network, _, _ = learn(world, "scores", dataclasses.replace(RECIPE, steps=3))
    changed = {
        name.split(".")[0]
        for name, tensor in network.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert changed == {"shared", "score_head", "uncertainty_head"}
    assert all(torch.equal(world.initial.state_dict()[name], before[name]) for name in before)


def test_the_same_labels_give_the_same_network(world: World) -> None:
    recipe = dataclasses.replace(RECIPE, steps=5)
    first, second = (learn(world, "pairs", recipe)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_ranking_and_grade_losses_worked_by_hand() -> None:
    better, worse = torch.tensor([0.6, 0.5]), torch.tensor([0.5, 0.52])
    assert float(ranking_loss(better, worse, 0.05)) == pytest.approx((0.07**2) / 2)
    thresholds = GradeThresholds(medium_from=40.0, high_from=60.0)
    grades = torch.tensor([0.0, 1.0, 1.0, 2.0])
    inside = torch.tensor([0.30, 0.45, 0.57, 0.70])
    assert float(grade_loss(inside, grades, thresholds, 0.03)) == 0.0
    outside = torch.tensor([0.47, 0.45, 0.67, 0.53])
    assert float(grade_loss(outside, grades, thresholds, 0.03)) == pytest.approx(0.1**2 * 3 / 4)


@pytest.mark.parametrize("kind", ["scores", "grades"])
def test_held_out_labels_span_what_was_said(world: World, kind: str) -> None:
    labels = labels_of(kind, world)
    train, held_out = hold_out(labels, RECIPE)
    assert len(train) + len(held_out) == len(labels)
    assert not set(train.photos) & set(held_out.photos)
    assert len(held_out) == pytest.approx(len(labels) * RECIPE.held_out, abs=1)
    if kind == "grades":
        assert set(held_out.targets) == set(train.targets) == set(labels.targets)


def test_weights_and_report_are_written(world: World, data_folder: Path, tmp_path: Path) -> None:
    init = tmp_path / "init.safetensors"
    save_weights(world.initial, init, metadata={})
    labels = labels_of("scores", world).chosen(list(range(20)))
    report = learn_from_labels(
        labels,
        init=init,
        run_folder=tmp_path / "run",
        recipe=dataclasses.replace(RECIPE, steps=2, replay_photos=3, views=1, spoilt_copies=1),
        data=data_folder,
    )
    assert (report.learned_from, report.held_out) == (16, 4)
    assert report.known is not None
    assert set(report.known.before) == {"SRCC", "PLCC", "KRCC", "RMSE"}
    written = json.loads((tmp_path / "run" / "feedback.json").read_text())
    assert written["kind"] == "scores"
    assert len(written["init"]["sha256"]) == 64
    assert set(written["agreement"]["after"]) == {"SRCC", "PLCC", "KRCC", "RMSE"}
    load_quality_net(tmp_path / "run" / "quality.safetensors")
    with pytest.raises(TrainingError, match="also where the result would be written"):
        learn_from_labels(
            labels,
            init=tmp_path / "run" / "quality.safetensors",
            run_folder=tmp_path / "run",
            recipe=RECIPE,
        )
    (tmp_path / "run" / "checkpoint.pt").touch()
    with pytest.raises(TrainingError, match="holds a training from scratch"):
        learn_from_labels(labels, init=init, run_folder=tmp_path / "run", recipe=RECIPE)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"rate": 0.0}, {"held_out": 1.0}])
def test_a_wrong_recipe_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got"):
        FeedbackRecipe(**wrong)  # type: ignore[arg-type]
