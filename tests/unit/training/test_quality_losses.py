"""The losses: zero where nothing is wrong, silent where nothing is known."""

import dataclasses

import torch

from packshot.training.quality.batches import Batch
from packshot.training.quality.losses import LossWeights, quality_losses
from packshot.training.quality.samples import NO_FAULT, NO_PAIR

NAN = float("nan")


def batch(
    mos: list[float],
    ceiling: list[float],
    attributes: torch.Tensor,
    only_fault: int = NO_FAULT,
) -> Batch:
    count = len(mos)
    views = torch.zeros(count, 224, 224, 3, dtype=torch.uint8)
    return Batch(
        global_view=views,
        fragments=views,
        mos=torch.tensor(mos),
        score_floor=torch.full((count,), NAN),
        score_ceiling=torch.tensor(ceiling),
        attributes=attributes,
        quality_map=torch.full((count, 7, 7, 7), NAN),
        only_fault=torch.full((count,), only_fault),
        pair=torch.full((count,), NO_PAIR),
    )


def outputs(score: list[float], attributes: torch.Tensor) -> tuple[torch.Tensor, ...]:
    count = len(score)
    return (
        torch.tensor(score)[:, None],
        attributes,
        torch.zeros(count, 1),
        torch.zeros(count, 7, 7, 7),
    )


def test_a_perfect_answer_costs_nothing() -> None:
    truth = torch.full((3, 7), 0.25)
    losses = quality_losses(
        outputs([0.2, 0.5, 0.9], torch.logit(truth)),  # type: ignore[arg-type]
        batch([0.2, 0.5, 0.9], [NAN] * 3, truth),
        LossWeights(),
    )
    assert float(torch.stack(list(losses.values())).sum()) < 1e-5


def test_unknown_targets_cost_nothing_and_give_no_gradient() -> None:
    logits = torch.randn(3, 7, requires_grad=True)
    losses = quality_losses(
        outputs([0.2, 0.5, 0.9], logits),  # type: ignore[arg-type]
        batch([0.2, 0.5, 0.9], [NAN] * 3, torch.full((3, 7), NAN)),
        LossWeights(),
    )
    losses["attributes"].backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert bool((logits.grad == 0).all())
    assert all(bool(torch.isfinite(loss)) for loss in losses.values())


def test_a_score_above_its_ceiling_costs_and_below_does_not() -> None:
    unknown = torch.full((3, 7), NAN)
    zeros = torch.zeros(3, 7)
    truth = batch([0.2, 0.5, NAN], [NAN, NAN, 0.4], unknown)
    above = quality_losses(outputs([0.2, 0.5, 0.8], zeros), truth, LossWeights())  # type: ignore[arg-type]
    below = quality_losses(outputs([0.2, 0.5, 0.3], zeros), truth, LossWeights())  # type: ignore[arg-type]
    assert float(above["bounds"]) > 0
    assert float(below["bounds"]) == 0


def test_blaming_the_wrong_attribute_costs_more_the_surer_it_is() -> None:
    unknown = torch.full((2, 7), NAN)
    truth = batch([0.2, 0.5], [NAN, NAN], unknown, only_fault=3)

    def cost(lowered: int, depth: float) -> float:
        logits = torch.zeros(2, 7)
        logits[:, lowered] = -depth
        losses = quality_losses(outputs([0.2, 0.5], logits), truth, LossWeights())  # type: ignore[arg-type]
        return float(losses["lowest_attribute"])

    assert cost(3, 8.0) < 0.01
    assert cost(3, 2.0) < cost(5, 2.0) < cost(5, 8.0)


def test_a_pair_costs_until_the_worse_photo_has_the_lower_attribute() -> None:
    targets = torch.full((2, 7), NAN)
    targets[0, 2], targets[1, 2] = 0.9, 0.4
    truth = dataclasses.replace(batch([0.2, 0.5], [NAN, NAN], targets), pair=torch.tensor([5, 5]))

    def cost(better: float, worse: float, pairs: Batch = truth) -> float:
        logits = torch.zeros(2, 7)
        logits[0, 2], logits[1, 2] = better, worse
        losses = quality_losses(outputs([0.2, 0.5], logits), pairs, LossWeights())  # type: ignore[arg-type]
        return float(losses["rank"])

    assert cost(2.1, 0.0) == 0.0
    assert 0.0 < cost(1.0, 0.0) < cost(0.0, 1.0)
    strangers = dataclasses.replace(truth, pair=torch.tensor([5, 6]))
    assert cost(0.0, 1.0, strangers) == 0.0
