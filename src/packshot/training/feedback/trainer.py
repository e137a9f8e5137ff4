"""Fine-tuning the overall score on labels, without losing what the network already knows."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from packshot.models.quality import QualityNet
from packshot.training.feedback.features import LabelledFeatures, scores_of
from packshot.training.feedback.labels import GradeThresholds, Labels
from packshot.training.feedback.recipe import FeedbackRecipe

Report = Callable[[int, dict[str, float]], None]
"""Called after each step with (step, losses)."""

_ERROR_SCALE = 10.0
"""Squared errors of scores 0-1 are small; the factor is that of ``quality_losses``."""


@dataclass(frozen=True, kw_only=True)
class _Anchors:
    """The initial network's answers, which the new one is held to."""

    views: Tensor
    view_uncertainty: Tensor
    spoilt_drop: Tensor
    replay: Tensor
    replay_scores: Tensor
    replay_uncertainty: Tensor


def fine_tune(
    initial: QualityNet,
    labels: Labels,
    features: LabelledFeatures,
    recipe: FeedbackRecipe,
    *,
    replay: Tensor | None = None,
    report: Report = lambda _step, _losses: None,
) -> QualityNet:
    """A copy of ``initial`` that has learned from ``labels``.

    Args:
        initial: The network as it is; not changed.
        labels: What people said.
        features: Of ``labels.photos``, in the same order.
        recipe: The configuration.
        replay: [N, features] of other photos on which nothing should change.
        report: Called after each step.
    """
    network = copy.deepcopy(initial)
    network.requires_grad_(False)
    trained = (network.shared, network.score_head, network.uncertainty_head)
    for module in trained:
        module.requires_grad_(True)
    parameters = [parameter for module in trained for parameter in module.parameters()]
    start = [parameter.detach().clone() for parameter in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 * (1.0 + math.cos(math.pi * step / recipe.steps))
    )
    anchors = _answers(initial.eval(), features, replay)
    rng = np.random.default_rng((recipe.seed, len(labels)))
    device = features.views.device
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        for step in range(recipe.steps):
            _set_mode(network)
            losses = _label_losses(network, labels, features, anchors, recipe, rng)
            losses |= _anchor_losses(network, features, anchors, recipe, rng)
            distance = torch.zeros((), device=device)
            for parameter, origin in zip(parameters, start, strict=True):
                distance = distance + (parameter - origin).square().sum()
            losses["weights"] = recipe.weight_anchor * distance
            optimizer.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 5.0)
            optimizer.step()
            schedule.step()
            report(step + 1, {name: loss.item() for name, loss in losses.items()})
    return network.requires_grad_(True).eval()


def _set_mode(network: QualityNet) -> None:
    """Dropout on; statistics stay those of the initial training."""
    network.train()
    network.backbone.eval()
    network.feature_norm.eval()


@torch.no_grad()
def _answers(initial: QualityNet, features: LabelledFeatures, replay: Tensor | None) -> _Anchors:
    photos, views, width = features.views.shape
    of_views, view_uncertainty = (
        answer.reshape(photos, views)
        for answer in scores_of(initial, features.views.reshape(-1, width))
    )
    of_spoilt = scores_of(initial, features.spoilt.flatten(0, 1))[0].reshape(photos, -1)
    others = features.spoilt.new_zeros(0, width) if replay is None else replay
    scores, uncertainty = scores_of(initial, others)
    return _Anchors(
        views=of_views,
        view_uncertainty=view_uncertainty,
        spoilt_drop=of_spoilt - of_views[:, :1],
        replay=others,
        replay_scores=scores,
        replay_uncertainty=uncertainty,
    )


def _label_losses(
    network: QualityNet,
    labels: Labels,
    features: LabelledFeatures,
    anchors: _Anchors,
    recipe: FeedbackRecipe,
    rng: np.random.Generator,
) -> dict[str, Tensor]:
    drawn = rng.choice(len(labels), size=min(recipe.batch, len(labels)), replace=False)
    # Of pairs: the better photos, then the worse ones.
    photos = np.array(labels.pairs)[drawn].T.reshape(-1) if labels.kind == "pairs" else drawn
    rows = torch.from_numpy(photos)
    views = torch.from_numpy(rng.integers(features.views.shape[1], size=len(photos)))
    scores, uncertainty = scores_of(network, features.views[rows, views])
    if labels.kind == "pairs":
        better, worse = scores.reshape(2, -1)
        loss = ranking_loss(better, worse, recipe.margin)
    else:
        targets = torch.tensor([labels.targets[i] for i in drawn], device=scores.device)
        if labels.kind == "grades":
            loss = grade_loss(scores, targets, recipe.grades, recipe.margin)
        else:
            loss = F.mse_loss(scores, targets)
    changed = F.mse_loss(scores, anchors.views[rows, views])
    # Labels move the hidden layer under the uncertainty head; the head follows, its answer stays.
    less_sure = F.mse_loss(uncertainty, anchors.view_uncertainty[rows, views])
    return {
        "labels": recipe.label_weight * _ERROR_SCALE * loss,
        "self": recipe.self_weight * _ERROR_SCALE * changed,
        "uncertainty": _ERROR_SCALE * less_sure,
    }


def ranking_loss(better: Tensor, worse: Tensor, margin: float) -> Tensor:
    """Mean squared shortfall of the better photo's lead over the worse from ``margin``."""
    # Squared, like the error of a score: the pull fades as the pair comes into order.
    return F.relu(margin - (better - worse)).square().mean()


def grade_loss(
    scores: Tensor, grades: Tensor, thresholds: GradeThresholds, margin: float
) -> Tensor:
    """Mean squared distance to the score range of each photo's grade (an ordinal hinge).

    Args:
        scores: [N] 0-1.
        grades: [N] index in ``GRADES``.
        thresholds: Scores, 0-100, at which the classes begin.
        margin: How far inside its range, 0-1, a score must lie.
    """
    edges = [thresholds.medium_from / 100.0, thresholds.high_from / 100.0]
    # A narrow middle class must not be asked for more margin than it has room for.
    margin = min(margin, (edges[1] - edges[0]) / 2.0)
    floors = scores.new_tensor([-math.inf, edges[0] + margin, edges[1] + margin])
    ceilings = scores.new_tensor([edges[0] - margin, edges[1] - margin, math.inf])
    grade = grades.long()
    below = F.relu(floors[grade] - scores)
    above = F.relu(scores - ceilings[grade])
    return (below + above).square().mean()


def _anchor_losses(
    network: QualityNet,
    features: LabelledFeatures,
    anchors: _Anchors,
    recipe: FeedbackRecipe,
    rng: np.random.Generator,
) -> dict[str, Tensor]:
    rows = torch.from_numpy(rng.integers(len(features.spoilt), size=recipe.anchors))
    copies = torch.from_numpy(rng.integers(features.spoilt.shape[1], size=recipe.anchors))
    joined = torch.cat([features.views[rows, 0], features.spoilt[rows, copies]])
    clean, spoilt = scores_of(network, joined)[0].reshape(2, -1)
    drop_error = F.mse_loss(spoilt - clean, anchors.spoilt_drop[rows, copies])
    losses = {"spoilt": recipe.spoilt_weight * _ERROR_SCALE * drop_error}
    if len(anchors.replay):
        rows = torch.from_numpy(rng.integers(len(anchors.replay), size=recipe.anchors))
        scores, uncertainty = scores_of(network, anchors.replay[rows])
        error = F.mse_loss(scores, anchors.replay_scores[rows])
        error = error + F.mse_loss(uncertainty, anchors.replay_uncertainty[rows])
        losses["replay"] = recipe.replay_weight * _ERROR_SCALE * error
    return losses
