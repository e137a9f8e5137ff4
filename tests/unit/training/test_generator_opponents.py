"""The generator's opponents: whom gradients reach, what each head learns, recipes, warm starts."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from packshot.errors import TrainingError
from packshot.models.efficientnet_lite import EfficientNetLite0, imagenet_checkpoint
from packshot.models.generator import GeneratorConfig
from packshot.models.weights import weights_metadata
from packshot.training import cli
from packshot.training.checkpoint import load_checkpoint, save_checkpoint
from packshot.training.generation.backbone import BackboneConfig, BackboneHeads, FrozenBackbone
from packshot.training.generation.dcgan import DcganConfig
from packshot.training.generation.discriminator import Discriminator, deviation_within_groups
from packshot.training.generation.losses import category_loss
from packshot.training.generation.opponents import Batch, Opponent, new_opponents
from packshot.training.generation.packshots import Packshots, read_packshots
from packshot.training.generation.recipe import (
    GENERATOR_RECIPES,
    GeneratorRecipe,
    generator_smoke,
)
from packshot.training.generation.trainer import GeneratorTrainer
from packshot.training.run_log import RunningMeans

CONFIG = BackboneConfig(side=32, head_width=4)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def packshots(packshots_folder: Path) -> Packshots:
    return read_packshots(packshots_folder)


@pytest.fixture(scope="module")
def backbone() -> FrozenBackbone:
    return FrozenBackbone(CONFIG)


def batch(step: int = 0) -> Batch:
    torch.manual_seed(0)
    real, fake = torch.rand(2, 4, 3, 64, 64) * 2 - 1
    return Batch(real, fake.requires_grad_(), torch.arange(4), step)


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def changed(network: nn.Module, before: dict[str, Tensor]) -> bool:
    return any(not torch.equal(t, before[name]) for name, t in network.state_dict().items())


def test_the_frozen_backbone_computes_what_the_original_does(backbone: FrozenBackbone) -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    original = EfficientNetLite0()
    original.load_imagenet_weights(imagenet_checkpoint())
    with torch.no_grad():
        expected = original.eval()(x)
    found = backbone(x)
    assert len(found) == len(CONFIG.taps)
    for tap, maps in zip(CONFIG.taps, found, strict=True):
        scale = expected[tap].square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        torch.testing.assert_close(maps, expected[tap] / scale, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(maps.square().mean(dim=(1, 2, 3)), torch.ones(2))


@pytest.mark.parametrize("opponent", new_opponents(generator_smoke(), CPU), ids=lambda o: o.name)
def test_gradients_of_the_second_half_reach_the_pictures_alone(opponent: Opponent) -> None:
    before = state(opponent.network)
    meeting = batch()
    loss, logged = opponent.meet(meeting)
    assert changed(opponent.network, before)  # it has learned
    learned = state(opponent.network)
    opponent.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    assert meeting.fake.grad is not None
    assert float(meeting.fake.grad.abs().sum()) > 0
    assert meeting.real.grad is None
    assert all(parameter.grad is None for parameter in opponent.network.parameters())
    assert not changed(opponent.network, learned)
    assert set(logged) == set(opponent.logged)


def test_the_backbone_never_learns() -> None:
    pixels, heads = new_opponents(generator_smoke(), CPU)
    del pixels
    body: FrozenBackbone = heads.backbone  # type: ignore[attr-defined]
    before = state(body)
    loss, _ = heads.meet(batch())
    loss.backward()  # type: ignore[no-untyped-call]
    assert not changed(body, before)
    assert all(p.grad is None and not p.requires_grad for p in body.parameters())
    held = {id(p) for group in heads.optimizer.param_groups for p in group["params"]}
    assert not held & {id(p) for p in body.parameters()}


def test_heads_learn_to_tell_real_from_generated_by_the_category() -> None:
    """Of two kinds of noise each is real in one category and generated in the other."""
    recipe = dataclasses.replace(generator_smoke(), augment_share=0.0, rate=1e-2)
    _, heads = new_opponents(recipe, CPU)
    body: FrozenBackbone = heads.backbone  # type: ignore[attr-defined]
    torch.manual_seed(0)
    smooth = torch.rand(4, 3, 1, 1).expand(4, 3, 64, 64) * 2 - 1
    rough = torch.rand(4, 3, 64, 64) * 2 - 1
    first, second = torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.long)
    for step in range(20):
        heads.meet(Batch(smooth, rough.clone().requires_grad_(), first, step))
        heads.meet(Batch(rough, smooth.clone().requires_grad_(), second, step))
    with torch.no_grad():
        logits = {
            (name, number): float(heads.network(body(x), category).logits.mean())
            for name, x in (("smooth", smooth), ("rough", rough))
            for number, category in enumerate((first, second))
        }
    assert logits["smooth", 0] > logits["rough", 0]
    assert logits["rough", 1] > logits["smooth", 1]


def test_a_head_of_categories_learns_from_real_pictures_alone() -> None:
    """Generated pictures with wrong categories must not teach it those."""
    recipe = dataclasses.replace(generator_smoke(), augment_share=0.0, rate=1e-2)
    for opponent in new_opponents(recipe, CPU):
        torch.manual_seed(0)
        colours = torch.tensor([[-1.0, -1, 1], [1, -1, -1]])[:, :, None, None]
        real = colours.expand(2, 3, 64, 64).repeat(2, 1, 1, 1)
        category = torch.tensor([0, 1, 0, 1])
        for step in range(1, 20):
            fake = real.flip(0).clone().requires_grad_()
            _, logged = opponent.meet(Batch(real, fake, category, step))
        assert logged[f"{opponent.name}_category"] < 0.5


def test_heads_without_projection_are_blind_to_the_category(backbone: FrozenBackbone) -> None:
    torch.manual_seed(0)
    maps = backbone(torch.rand(4, 3, 64, 64))
    first, second = torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.long)
    for conditional in (True, False):
        heads = BackboneHeads(CONFIG, categories=13, conditional=conditional, category_head=False)
        # In evaluation mode the estimates of the spectral norms stand still.
        heads.eval()
        same = torch.equal(heads(maps, first).logits, heads(maps, second).logits)
        assert same == (not conditional)
        assert heads(maps, first).categories is None


def test_deviation_is_within_groups_of_pictures_as_far_apart() -> None:
    x = torch.arange(8.0)[:, None, None, None]
    found = deviation_within_groups(x)  # 0, 2, 4, 6 and 1, 3, 5, 7
    torch.testing.assert_close(found.flatten(), torch.full((2,), math.sqrt(5.0)))
    assert deviation_within_groups(x[:3]).shape == (1, 1, 1, 1)
    assert float(deviation_within_groups(torch.ones(4, 1, 1, 1)).max()) < 1e-3


def test_heads_see_how_much_the_pictures_of_a_group_differ(backbone: FrozenBackbone) -> None:
    torch.manual_seed(0)
    heads = BackboneHeads(CONFIG, categories=13, conditional=True, category_head=False).eval()
    x, category = torch.rand(8, 3, 64, 64), torch.zeros(8, dtype=torch.long)
    varied = heads(backbone(x), category).logits
    x[4] = x[0]  # of the group of 0, 2, 4 and 6
    alike = heads(backbone(x), category).logits
    assert not torch.allclose(varied[0], alike[0], atol=1e-4)
    torch.testing.assert_close(varied[1::2], alike[1::2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("grouped", [True, False])
def test_batches_hold_every_category_as_often_in_groups_or_not(
    packshots: Packshots, tmp_path: Path, grouped: bool
) -> None:
    recipe = dataclasses.replace(
        generator_smoke(), batch=8, grouped=grouped, steps=60, sheet_every=60
    )
    # Of category 2 there is nothing, and of 0 next to nothing.
    rows = np.flatnonzero(packshots.categories != 2)
    trainer = GeneratorTrainer(recipe, train=packshots.chosen(rows[9:]), run_folder=tmp_path)
    met: list[Batch] = []

    class Recorder(Opponent):
        name = "recorder"

        def meet(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
            met.append(batch)
            return batch.fake.mean(), {}

    trainer.opponents = (Recorder(recipe, nn.Linear(1, 1)),)
    trainer.fit()
    categories = torch.stack([batch.category for batch in met]).reshape(len(met), 4, 2)
    assert bool((categories == categories[:, :1]).all()) == grouped
    shown = torch.bincount(categories.flatten(), minlength=13)
    assert shown[2] == 0
    assert shown[shown > 0].numel() == 12
    assert int(shown[0]) > 10
    of_first = packshots.pictures[packshots.categories == 0]
    real = next(b.real[b.category == 0][0] for b in met if bool((b.category == 0).any()))
    pixels = ((real.permute(1, 2, 0) + 1) * 127.5).round().to(torch.uint8).numpy()
    assert (of_first == pixels).all(axis=(1, 2, 3)).any()


def test_discriminators_name_categories_on_request() -> None:
    config = GeneratorConfig(width=2, style_size=8)
    x, category = torch.rand(4, 3, 64, 64), torch.arange(4)
    assert Discriminator(config)(x, category).categories is None
    named = Discriminator(config, category_head=True)(x, category).categories
    assert named.shape == (4, 13)
    assert float(category_loss(torch.eye(13) * 50, torch.arange(13))) < 1e-6


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"side": 40}, "multiple of 32, got 40"),
        ({"side": 0}, "multiple of 32, got 0"),
        ({"taps": ()}, r"taps must be some of \(0, 1, 2, 3\), got \(\)"),
        ({"taps": (4,)}, r"got \(4,\)"),
        ({"head_width": 0}, "got 0"),
        ({"weight": 0.0}, "weight positive"),
    ],
)
def test_what_the_backbone_sees_is_checked(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        BackboneConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"batch": 6}, "batch must be a multiple of 4 where it is grouped, got 6"),
        ({"discriminator_every": 0}, "at least 1"),
        ({"discriminator_every": 2}, "only beside a backbone, got 2"),
        ({"category_weight": -1.0}, "must not be negative, got -1.0"),
        ({"category_weight": 0.1, "network": DcganConfig()}, "has no head for categories"),
    ],
)
def test_recipes_of_opponents_are_checked(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        GeneratorRecipe(name="x", steps=1, **wrong)  # type: ignore[arg-type]


def test_ablations_leave_out_what_their_names_say() -> None:
    small = GENERATOR_RECIPES["small"]()
    assert small.backbone is not None
    assert small.category_weight > 0
    without = {name: recipe() for name, recipe in GENERATOR_RECIPES.items()}
    assert without["without-backbone"].backbone is None
    assert without["without-backbone"].category_weight == small.category_weight
    assert without["without-category-head"].category_weight == 0
    assert without["without-category-head"].backbone == small.backbone
    assert without["mirrored"].mirror
    assert not without["without-groups"].grouped
    assert not without["without-projection"].conditional
    assert (without["dcgan"].backbone, without["dcgan"].category_weight) == (None, 0)
    for name, recipe in without.items():
        assert recipe.name == name


def test_means_are_of_the_steps_that_have_a_value() -> None:
    means = RunningMeans(("often", "seldom", "never"))
    means.add({"often": 1.0, "seldom": 5.0})
    means.add({"often": 3.0})
    found = means.means()
    assert list(found) == ["often", "seldom", "never"]
    assert (found["often"], found["seldom"]) == (2.0, 5.0)
    assert math.isnan(found["never"])


def trained(packshots: Packshots, run: Path, recipe: GeneratorRecipe) -> GeneratorTrainer:
    trainer = GeneratorTrainer(recipe, train=packshots, run_folder=run)
    trainer.fit()
    return trainer


def test_a_run_begins_from_the_weights_of_a_run_without_the_second_opponent(
    packshots: Packshots, tmp_path: Path
) -> None:
    recipe = generator_smoke()
    alone = dataclasses.replace(recipe, backbone=None, category_weight=0.0)
    first = trained(packshots, tmp_path / "alone", alone)
    begun = GeneratorTrainer(recipe, train=packshots, run_folder=tmp_path / "aided")
    fresh = begun.begin_from(tmp_path / "alone" / "checkpoint.pt")
    assert fresh == ["category_head.weight", "category_head.bias", "backbone_heads"]
    for old, new in (
        (first.generator, begun.generator),
        (first.ema, begun.ema),
        (first.opponents[0].network, begun.opponents[0].network),
    ):
        taken = new.state_dict()
        for name, tensor in old.state_dict().items():
            torch.testing.assert_close(taken[name], tensor)
    begun.fit()
    stated = begun.metadata
    assert (stated["steps"], stated["pictures_seen"]) == ("4", "32")
    assert stated["begun_from"] == f"step 4 of {tmp_path / 'alone' / 'checkpoint.pt'}"


def test_earlier_checkpoints_are_of_batches_of_32(packshots: Packshots, tmp_path: Path) -> None:
    trained(packshots, tmp_path / "run", generator_smoke())
    earlier = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    del earlier["pictures_seen"], earlier["begun_from"]
    save_checkpoint(tmp_path / "earlier.pt", earlier)
    begun = GeneratorTrainer(generator_smoke(), train=packshots, run_folder=tmp_path / "next")
    assert begun.begin_from(tmp_path / "earlier.pt") == []
    assert begun.metadata["pictures_seen"] == str(4 * 32)


@pytest.mark.parametrize("changed", [{"backbone": None}, {"seed": 7}])
def test_a_run_of_another_recipe_is_not_resumed(
    packshots: Packshots, tmp_path: Path, changed: dict[str, Any]
) -> None:
    recipe = generator_smoke()
    trained(packshots, tmp_path, dataclasses.replace(recipe, **changed))
    with pytest.raises(TrainingError, match=f"they differ in {next(iter(changed))}"):
        trained(packshots, tmp_path, dataclasses.replace(recipe, steps=6))


def test_a_checkpoint_of_other_sizes_is_refused(packshots: Packshots, tmp_path: Path) -> None:
    recipe = generator_smoke()
    trained(packshots, tmp_path / "run", recipe)
    wider = dataclasses.replace(recipe, network=GeneratorConfig(width=3, style_size=8))
    begun = GeneratorTrainer(wider, train=packshots, run_folder=tmp_path / "wider")
    with pytest.raises(TrainingError, match="does not fit the recipe smoke"):
        begun.begin_from(tmp_path / "run" / "checkpoint.pt")


def test_the_command_begins_once_and_then_goes_on(packshots_folder: Path, tmp_path: Path) -> None:
    def train(run: str, *more: object) -> str:
        options = ["--data", packshots_folder.parent, "--run", tmp_path / run, "--size", "smoke"]
        arguments = ["generator", *options, "--threads", 1, *more]
        result = CliRunner().invoke(
            cli.app, [str(part) for part in arguments], env={"COLUMNS": "200"}
        )
        assert result.exit_code == 0, result.output
        return result.output

    train("first")
    init = ("--init", tmp_path / "first" / "checkpoint.pt")
    assert "fresh: nothing" in " ".join(train("second", *init).split())
    assert "fresh" not in train("second", *init, "--steps", 6)
    stated = weights_metadata(tmp_path / "second" / "generator.safetensors")
    assert (stated["steps"], stated["pictures_seen"]) == ("6", str(4 * 10))
