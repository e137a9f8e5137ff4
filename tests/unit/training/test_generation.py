"""Training the generator: data, augmentation, losses, and a run that is stopped and resumed."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from packshot.errors import TrainingError
from packshot.models.generator import Generator, GeneratorConfig
from packshot.models.weights import load_generator, load_weights, weights_metadata
from packshot.training import cli
from packshot.training.generation.augmentation import augmented
from packshot.training.generation.discriminator import Discriminator
from packshot.training.generation.losses import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
)
from packshot.training.generation.packshots import Packshots, read_packshots, split_packshots
from packshot.training.generation.recipe import GeneratorRecipe, generator_smoke
from packshot.training.generation.trainer import GeneratorTrainer


@pytest.fixture(scope="module")
def packshots(packshots_folder: Path) -> Packshots:
    return read_packshots(packshots_folder)


def test_pictures_are_squared_on_white_and_some_are_held_back(packshots: Packshots) -> None:
    assert packshots.pictures.shape == (13 * 11, 64, 64, 3)
    assert packshots.pictures[:, :, 0].min() > 245  # the sides that were added
    train, held_back = split_packshots(packshots)
    assert len(train) + len(held_back) == len(packshots)
    assert not set(train.names) & set(held_back.names)
    assert np.bincount(held_back.categories).tolist() == [2] * 13


def test_an_unknown_category_is_refused(packshots_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "packshots.tar").write_bytes((packshots_folder / "packshots.tar").read_bytes())
    (tmp_path / "packshots.csv").write_text("file,category\nbelts/0.jpg,hats\n")
    with pytest.raises(TrainingError, match="unknown categories: hats; known are backpacks"):
        read_packshots(tmp_path)


def test_a_picture_missing_from_the_archive_is_named(
    packshots_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "packshots.tar").write_bytes((packshots_folder / "packshots.tar").read_bytes())
    (tmp_path / "packshots.csv").write_text("file,category\nbelts/99.jpg,belts\n")
    with pytest.raises(TrainingError, match=r"lacks 1 pictures, first: .'belts/99.jpg'"):
        read_packshots(tmp_path)


def test_augmentation_changes_pictures_each_in_its_own_way_and_lets_gradients_through() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 3, 64, 64).repeat(2, 1, 1, 1).requires_grad_()
    changed = augmented(x)
    assert changed.shape == x.shape
    assert not torch.allclose(changed[0], changed[1])
    changed.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0


def test_only_a_share_of_the_pictures_is_augmented() -> None:
    torch.manual_seed(0)
    x = torch.rand(64, 3, 64, 64)
    untouched = (augmented(x, 0.25) == x).all(dim=3).all(dim=2).all(dim=1)
    assert 32 < int(untouched.sum()) < 64
    assert augmented(x, 0.0) is x


def test_losses_reward_the_right_side() -> None:
    sure, unsure = torch.full((4,), 5.0), torch.zeros(4)
    assert discriminator_loss(sure, -sure) < discriminator_loss(unsure, unsure)
    assert generator_loss(sure) < generator_loss(-sure)


def test_the_gradient_penalty_is_half_the_squared_slope() -> None:
    real = torch.zeros(2, 3, 4, 4, requires_grad=True)
    logits = (real * 2.0).sum(dim=(1, 2, 3))
    assert float(gradient_penalty(logits, real)) == pytest.approx(0.5 * 4.0 * 48)


def test_only_a_conditional_discriminator_sees_the_category() -> None:
    torch.manual_seed(0)
    config = GeneratorConfig(width=2, style_size=8)
    x = torch.randn(4, 3, 64, 64)
    first, second = torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.long)
    conditional = Discriminator(config)
    assert not torch.allclose(conditional(x, first).logits, conditional(x, second).logits)
    blind = Discriminator(config, conditional=False)
    torch.testing.assert_close(blind(x, first).logits, blind(x, second).logits)


def test_a_stopped_training_goes_on_to_the_same_result(
    packshots: Packshots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packshot.training.generation.trainer.CHECKPOINT_EVERY_STEPS", 2)
    recipe = generator_smoke()

    def trainer(run: str) -> GeneratorTrainer:
        return GeneratorTrainer(recipe, train=packshots, run_folder=tmp_path / run)

    whole = trainer("whole").fit()

    class StoppedError(Exception):
        pass

    def stop(step: int, _: dict[str, float]) -> None:
        if step == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        trainer("stopped").fit(stop)
    resumed = trainer("stopped")
    after = resumed.fit()
    for (name, expected), found in zip(
        whole.state_dict().items(), after.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(found, expected, msg=name)
    assert (tmp_path / "stopped" / "samples" / "000004.png").is_file()
    rows = list(csv.DictReader((tmp_path / "whole" / "log.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["2", "4"]


def test_a_finished_run_takes_more_steps_but_no_other_recipe(
    packshots: Packshots, tmp_path: Path
) -> None:
    recipe = generator_smoke()
    GeneratorTrainer(recipe, train=packshots, run_folder=tmp_path).fit()
    other = dataclasses.replace(recipe, r1_weight=recipe.r1_weight + 1)
    with pytest.raises(TrainingError, match="they differ in r1_weight"):
        GeneratorTrainer(other, train=packshots, run_folder=tmp_path).fit()
    longer = dataclasses.replace(recipe, steps=recipe.steps + 1)
    trainer = GeneratorTrainer(longer, train=packshots, run_folder=tmp_path)
    trainer.fit()
    assert trainer.step == recipe.steps + 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"steps": 1, "rate": 0.0},
        {"steps": 1, "ema_decay": 1.0},
        {"steps": 1, "augment_share": 1.5},
        {"steps": 1, "betas": (0.5, 1.0)},
    ],
)
def test_recipes_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="got"):
        GeneratorRecipe(name="x", **wrong)  # type: ignore[arg-type]


def test_the_command_trains_and_writes_weights_that_load(
    packshots_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "packshots").symlink_to(packshots_folder)
    run = tmp_path / "run"
    arguments = ["generator", "--data", tmp_path, "--run", run, "--size", "smoke", "--threads", 1]
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    generator = Generator(generator_smoke().network)
    load_weights(generator, run / "generator.safetensors")
    assert float(generator.mean_styles.abs().sum()) > 0


def test_another_seed_is_another_training(packshots_folder: Path, tmp_path: Path) -> None:
    trained = []
    for run, seed in (("first", 3), ("again", 3), ("other", 4)):
        options = {"--data": packshots_folder.parent, "--run": tmp_path / run, "--size": "smoke"}
        options |= {"--threads": 1, "--steps": 1, "--seed": seed}
        arguments = [str(part) for option in options.items() for part in option]
        result = CliRunner().invoke(cli.app, ["generator", *arguments])
        assert result.exit_code == 0, result.output
        weights = tmp_path / run / "generator.safetensors"
        assert weights_metadata(weights)["seed"] == str(seed)
        trained.append(load_generator(weights).state_dict())
    first, again, other = trained
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_an_unknown_size_is_refused() -> None:
    result = CliRunner().invoke(
        cli.app, ["generator", "--data", ".", "--size", "huge"], env={"COLUMNS": "200"}
    )
    assert result.exit_code == 2
    assert "no size 'huge'; known: small, full, dcgan" in result.output


def test_a_finished_run_goes_on_with_more_steps(packshots_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for steps in (2, 4):
        options = {"--data": packshots_folder.parent, "--run": run, "--size": "smoke"}
        options |= {"--threads": 1, "--steps": steps}
        arguments = [str(part) for option in options.items() for part in option]
        result = CliRunner().invoke(cli.app, ["generator", *arguments])
        assert result.exit_code == 0, result.output
        stated = weights_metadata(run / "generator.safetensors")
        assert (stated["steps"], stated["pictures_seen"]) == (str(steps), str(4 * steps))
    # Had it begun anew, there would be another row for step 2.
    rows = list(csv.DictReader((run / "log.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["2", "4"]
