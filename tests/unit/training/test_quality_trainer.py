"""The training loop: it learns, and an interrupted run ends where an unbroken one does."""

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from packshot.errors import TrainingError
from packshot.models.quality import QualityNet
from packshot.training.checkpoint import load_checkpoint, save_checkpoint
from packshot.training.quality.batches import MixConfig
from packshot.training.quality.photos import clean_photos, split_biq2021
from packshot.training.quality.trainer import QualityTrainer, predict_scores
from packshot.training.recipes import QUALITY_RECIPES, QualityRecipe, quality_rank, quality_smoke

RECIPE = dataclasses.replace(
    quality_smoke(), epochs=2, mix=MixConfig(labelled=2, faulty=2), frozen_blocks=16
)


class SessionEndedError(Exception):
    """Stands for a session that was ended."""


def trainer(
    data_folder: Path,
    run_folder: Path,
    recipe: QualityRecipe = RECIPE,
    initial: QualityNet | None = None,
) -> QualityTrainer:
    split = split_biq2021(data_folder / "biq2021")
    return QualityTrainer(
        recipe,
        train=split.train[:6],
        validation=split.train[:6],
        clean=clean_photos(data_folder, split.train),
        run_folder=run_folder,
        workers=0,
        initial=initial,
    )


def test_interrupted_training_resumes_to_the_same_result(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packshot.training.quality.trainer.CHECKPOINT_EVERY_STEPS", 1)
    unbroken = trainer(data_folder, tmp_path / "unbroken").fit()

    def interrupt(epoch: int, step: int, _: dict[str, float]) -> None:
        if (epoch, step) == (1, 2):
            raise SessionEndedError

    with pytest.raises(SessionEndedError):
        trainer(data_folder, tmp_path / "broken").fit(interrupt)
    resumed = trainer(data_folder, tmp_path / "broken").fit()

    for name, tensor in unbroken.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], tensor, rtol=0, atol=0, msg=name)
    log = (tmp_path / "broken" / "log.csv").read_text().splitlines()
    assert len(log) == 1 + RECIPE.epochs


def test_a_run_is_not_taken_up_by_another_recipe(data_folder: Path, tmp_path: Path) -> None:
    once = dataclasses.replace(RECIPE, epochs=1)
    trainer(data_folder, tmp_path, once).fit()
    with pytest.raises(TrainingError, match=r"differ in name, epochs\. Give another --run"):
        trainer(data_folder, tmp_path, dataclasses.replace(RECIPE, name="other")).fit()
    assert '"name": "smoke"' in (tmp_path / "recipe.json").read_text()


def test_learning_attributes_leaves_the_score_as_it_is(data_folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    initial = QualityNet().eval()
    # Statistics of some batches, as a trained network has them.
    initial.feature_norm.running_mean.normal_()
    before = copy.deepcopy(initial)
    recipe = dataclasses.replace(
        quality_rank(),
        mix=MixConfig(labelled=4, faulty=4, paired=True),
        warmup_steps=1,
    )
    after = trainer(data_folder, tmp_path, recipe, initial).fit()
    views = torch.randint(0, 256, (2, 3, 224, 224, 3), dtype=torch.uint8)
    with torch.inference_mode():
        score, attributes, uncertainty, quality_map = before(*views)
        same, changed, same_uncertainty, same_map = after(*views)
    for kept, known in ((same, score), (same_uncertainty, uncertainty), (same_map, quality_map)):
        torch.testing.assert_close(kept, known, rtol=0, atol=0)
    assert not torch.allclose(changed, attributes, atol=1e-3)


def test_the_uncertainty_of_the_result_is_the_error_on_validation_photos(
    data_folder: Path, tmp_path: Path
) -> None:
    made = trainer(data_folder, tmp_path)
    network = made.fit()
    photos = [photo.path for photo in made.validation]
    scores, uncertainties = predict_scores(network, photos, torch.device("cpu"))
    errors = np.abs(scores - [photo.mos * 100.0 for photo in made.validation])
    assert uncertainties.mean() == pytest.approx(errors.mean(), rel=1e-3)


def test_checkpoints_hold_no_code(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"thing": Path("/")}, path)
    with pytest.raises(TrainingError, match="not a training checkpoint"):
        load_checkpoint(path)
    save_checkpoint(path, {"epoch": 3})
    assert load_checkpoint(path) == {"epoch": 3}
    assert list(tmp_path.iterdir()) == [path]


def test_recipes_are_complete_and_checked() -> None:
    assert {"default", "smoke"} <= set(QUALITY_RECIPES)
    for wrong in ({"epochs": 0}, {"head_rate": 0.0}, {"ema_decay": 1.0}):
        with pytest.raises(ValueError, match="got"):
            QualityRecipe(name="wrong", **wrong)  # type: ignore[arg-type]
