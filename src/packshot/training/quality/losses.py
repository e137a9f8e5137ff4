"""Losses of the quality network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from packshot.training.quality.batches import Batch
from packshot.training.quality.samples import NO_FAULT, NO_PAIR

RANK_SLOPE = 4.0
"""Logits by which an attribute should fall from severity 0 to 1; 0.9 to 0.1 is 4.4."""


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weight of each term of the training loss.

    Attributes:
        mos: Squared error to the human score (0-1), times 10.
        correlation: One minus the Pearson correlation in the batch.
        bounds: How far scores of faulty photos lie above, of clean ones below, their bound.
        attributes: Cross-entropy of the attributes.
        own_attribute: Extra weight of the attribute that a fault was applied to.
        lowest_attribute: Cross-entropy of which attribute is the lowest, where one fault was
            applied: kinds of fault that look alike must still be told apart.
        rank: How far the attributes of two samples that differ in severity alone fall short of
            differing likewise: what is hard to say of one photo is plain between two.
        quality_map: Cross-entropy of the quality map.
        uncertainty: Absolute error of the predicted absolute error of the score.
    """

    mos: float = 1.0
    correlation: float = 0.5
    bounds: float = 0.5
    attributes: float = 0.5
    own_attribute: float = 3.0
    lowest_attribute: float = 0.2
    rank: float = 0.2
    quality_map: float = 0.3
    uncertainty: float = 0.3


def quality_losses(
    outputs: tuple[Tensor, Tensor, Tensor, Tensor], batch: Batch, weights: LossWeights
) -> dict[str, Tensor]:
    """Each weighted term by name; their sum is the training loss.

    Args:
        outputs: Raw outputs of ``QualityNet.heads``.
        batch: The batch they were computed from.
        weights: Weight of each term.
    """
    score, attribute_logits, uncertainty, map_logits = outputs
    score = score.flatten()
    labelled = ~batch.mos.isnan()
    predicted, human = score[labelled], batch.mos[labelled]
    above = F.relu(score - batch.score_ceiling).nan_to_num().square()
    below = F.relu(batch.score_floor - score).nan_to_num().square()
    error = (predicted - human).detach().abs()
    return {
        "mos": weights.mos * 10.0 * F.mse_loss(predicted, human),
        "correlation": weights.correlation * (1.0 - _pearson(predicted, human)),
        "bounds": weights.bounds * 10.0 * (above + below).mean(),
        "attributes": weights.attributes
        * _masked_cross_entropy(attribute_logits, batch.attributes, weights.own_attribute),
        "lowest_attribute": weights.lowest_attribute
        * _lowest_cross_entropy(attribute_logits, batch.only_fault),
        "rank": weights.rank * _rank_loss(attribute_logits, batch.attributes, batch.pair),
        "quality_map": weights.quality_map
        * _masked_cross_entropy(map_logits, batch.quality_map, weights.own_attribute),
        "uncertainty": weights.uncertainty * F.l1_loss(uncertainty.flatten()[labelled], error),
    }


def _pearson(a: Tensor, b: Tensor) -> Tensor:
    a, b = a - a.mean(), b - b.mean()
    correlation: Tensor = (a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-8)
    return correlation


def _lowest_cross_entropy(attribute_logits: Tensor, only_fault: Tensor) -> Tensor:
    """Cross-entropy of the softmax over negated logits: the lowest is the likeliest fault."""
    known = only_fault != NO_FAULT
    if not bool(known.any()):
        return attribute_logits.sum() * 0.0
    return F.cross_entropy(-attribute_logits[known], only_fault[known])


def _rank_loss(attribute_logits: Tensor, targets: Tensor, pair: Tensor) -> Tensor:
    """Hinge on the logits' difference within a pair, where the targets are known and differ."""
    of_pair = (pair[:-1] == pair[1:]) & (pair[:-1] != NO_PAIR)
    difference = (targets[:-1] - targets[1:])[of_pair]
    counts = ~difference.isnan() & (difference != 0)
    if not bool(counts.any()):
        return attribute_logits.sum() * 0.0
    difference = difference[counts]
    lead = (attribute_logits[:-1] - attribute_logits[1:])[of_pair][counts] * difference.sign()
    return F.relu(RANK_SLOPE * difference.abs() - lead).mean()


def _masked_cross_entropy(logits: Tensor, targets: Tensor, own_weight: float) -> Tensor:
    """Binary cross-entropy to soft targets, where they are known; lowered ones weigh more.

    The entropy of the target is taken off, so that a perfect prediction costs nothing.
    """
    known = ~targets.isnan()
    if not bool(known.any()):
        return logits.sum() * 0.0
    targets = targets[known]
    weight = 1.0 + (own_weight - 1.0) * (targets < 1.0).float()
    losses = F.binary_cross_entropy_with_logits(logits[known], targets, reduction="none")
    entropy = torch.special.entr(targets) + torch.special.entr(1.0 - targets)
    mean: Tensor = ((losses - entropy) * weight).sum() / weight.sum()
    return mean
