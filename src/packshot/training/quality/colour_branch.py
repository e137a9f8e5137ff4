"""Teaching the quality network's branch for colour: photos against themselves.

A vivid photo with a little less colour looks better, to people and to a network that learned from
them; nothing in it says that colour was lost. Beside the photo it was made from it can be seen. So
the branch learns from many versions of each photo: above all their order, and gently what they are.
Only the branch learns: the score and every other attribute stay as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from packshot.contracts import LEARNED_ATTRIBUTES
from packshot.models.quality import QualityNet
from packshot.training.degradations import FAULTS
from packshot.training.quality.samples import NO_FAULT, VISIBLE_SEVERITY
from packshot.training.quality.versions import VersionFeatures, VersionsConfig
from packshot.training.run_log import append_row
from packshot.training.schedules import warmup_cosine

_COLOUR = LEARNED_ATTRIBUTES.index("colour")
_OWN = torch.tensor([LEARNED_ATTRIBUTES.index(fault.attribute) for fault in FAULTS])
_UNDER = [fault.name for fault in FAULTS].index("under_saturation")


@dataclass(frozen=True, kw_only=True)
class ColourRecipe:
    """Everything that decides what the branch learns.

    Attributes:
        versions: Which photos and which versions of them.
        passes: Over all photos.
        photos_per_step: Each with all its versions.
        rate: Peak learning rate.
        weight_decay: Of AdamW.
        warmup_steps: Linear warm-up, before a cosine to zero.
        dropout: Of the features, in training.
        ema_decay: Decay of the moving average of the weights, which is what is kept.
        slope: Logits by which colour should fall from severity 0 to 1.
        under_slope: The same for under-saturation: a grey product must not be called faded, so its
            order counts more than its depth.
        order_weight: Of how far two versions of a photo fall short of that.
        under_weight: Extra weight of under-saturation therein, the hardest to see.
        value_weight: Of the cross-entropy of the attribute itself.
        untouched_weight: Of the untouched version in it: there are many spoilt ones.
        lowest_weight: Of the cross-entropy of which attribute is the lowest.
        seed: Of order, dropout and initial weights.
    """

    versions: VersionsConfig = field(default_factory=VersionsConfig)
    passes: int = 12
    photos_per_step: int = 8
    rate: float = 1e-3
    weight_decay: float = 0.02
    warmup_steps: int = 30
    dropout: float = 0.2
    ema_decay: float = 0.98
    slope: float = 3.0
    under_slope: float = 1.5
    order_weight: float = 1.0
    under_weight: float = 3.0
    value_weight: float = 0.5
    untouched_weight: float = 8.0
    lowest_weight: float = 0.6
    seed: int = 0

    def __post_init__(self) -> None:
        counts = self.passes, self.photos_per_step, self.warmup_steps
        if min(counts) < 1 or self.rate <= 0:
            raise ValueError(
                "passes, photos_per_step, warmup_steps and rate must be positive, got"
                f" {counts} and {self.rate}"
            )
        if not (0.0 <= self.dropout < 1.0 and 0.0 <= self.ema_decay < 1.0):
            raise ValueError(
                f"dropout and ema_decay must be in [0, 1), got {self.dropout}, {self.ema_decay}"
            )


def learn_colour(
    network: QualityNet,
    data: VersionFeatures,
    recipe: ColourRecipe,
    *,
    log: Path | None = None,
    report: Callable[[int, int, float], None] = lambda _step, _steps, _loss: None,
) -> QualityNet:
    """A copy of the network, in evaluation mode, whose branch for colour has learned.

    Args:
        network: In evaluation mode. What its branch had learned is given up.
        data: Versions of photos.
        recipe: How.
        log: CSV file that gets a row a pass.
        report: Called after each step with its number, their count and the loss.
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    learned = copy.deepcopy(network).eval()
    anew = QualityNet(network.config)
    learned.colour_shared, learned.colour_head = anew.colour_shared, anew.colour_head
    branch = nn.Sequential(learned.colour_shared, nn.ReLU(), learned.colour_head)
    averaged = copy.deepcopy(branch)
    optimizer = torch.optim.AdamW(
        branch.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay
    )
    normed, fixed = _fixed_parts(learned, data.features)
    photos = len(normed)
    per_pass = max(1, photos // recipe.photos_per_step)
    steps = recipe.passes * per_pass
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: warmup_cosine(step, recipe.warmup_steps, steps)
    )
    total = 0.0
    for step in range(steps):
        drawn = torch.from_numpy(rng.choice(photos, min(recipe.photos_per_step, photos)))
        added = branch(F.dropout(normed[drawn], recipe.dropout))[..., 0]
        losses = colour_losses(
            fixed[drawn] + added[..., None] * learned.of_colour,
            data.faults[drawn],
            data.severities[drawn],
            data.trusted[drawn],
            recipe,
        )
        loss = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(branch.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for kept, now in zip(averaged.parameters(), branch.parameters(), strict=True):
                kept.lerp_(now, 1.0 - recipe.ema_decay)
        total += loss.item()
        report(step + 1, steps, loss.item())
        if (step + 1) % per_pass == 0:
            if log is not None:
                append_row(log, {"pass": (step + 1) // per_pass, "loss": total / per_pass})
            total = 0.0
    branch.load_state_dict(averaged.state_dict())
    return learned


@torch.no_grad()
def _fixed_parts(network: QualityNet, features: Tensor) -> tuple[Tensor, Tensor]:
    """What the branch reads, [photos, versions, F], and the logits without it, [.., 7]."""
    photos, versions, _ = features.shape
    normed = network.feature_norm(features.flatten(0, 1))
    # In parts: the hidden layer of all of them at once is as large as the features.
    logits = [
        network.attribute_head(F.relu(network.attribute_shared(part)))
        for part in normed.split(1024)
    ]
    return (
        normed.reshape(photos, versions, -1),
        torch.cat(logits).reshape(photos, versions, -1),
    )


def colour_losses(
    logits: Tensor, faults: Tensor, severities: Tensor, trusted: Tensor, recipe: ColourRecipe
) -> dict[str, Tensor]:
    """Each weighted term by name; their sum is the training loss.

    Args:
        logits: [photos, versions, 7] of all attributes.
        faults: [photos, versions] indices in ``FAULTS`` or ``NO_FAULT``, untouched versions first.
        severities: [photos, versions], 0-1.
        trusted: [photos] whether a photo has no fault of its own.
        recipe: Weights and slopes.
    """
    colour = logits[..., _COLOUR]
    own = torch.where(faults == NO_FAULT, NO_FAULT, _OWN[faults])
    of_colour = own == _COLOUR
    untouched = faults == NO_FAULT

    first, second = torch.triu_indices(colour.shape[1], colour.shape[1], offset=1)
    same = (faults[:, first] == faults[:, second]) | untouched[:, first]
    rise = severities[:, second] - severities[:, first]
    counts = same & of_colour[:, second] & (rise != 0)
    of_under = faults[:, second] == _UNDER
    slope = torch.where(of_under, recipe.under_slope, recipe.slope)
    lead = (colour[:, first] - colour[:, second]) * rise.sign()
    weight = torch.where(of_under, recipe.under_weight, 1.0)
    order = (weight * F.relu(slope * rise.abs() - lead))[counts]

    target = torch.where(of_colour, 1.0 - severities, 1.0)
    # Less its entropy, so that a perfect prediction costs nothing.
    entropy = torch.special.entr(target) + torch.special.entr(1.0 - target)
    value = F.binary_cross_entropy_with_logits(colour, target, reduction="none") - entropy
    value = value * torch.where(untouched, recipe.untouched_weight, 1.0)
    known = trusted[:, None] | of_colour

    blamed = trusted[:, None] & (severities >= VISIBLE_SEVERITY)
    lowest = F.cross_entropy(-logits[blamed], own[blamed], reduction="sum")
    return {
        "order": recipe.order_weight * order.sum() / max(1, len(order)),
        "value": recipe.value_weight * value[known].sum() / max(1, int(known.sum())),
        "lowest": recipe.lowest_weight * lowest / max(1, int(blamed.sum())),
    }
