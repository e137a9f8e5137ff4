"""Losses of the generator and of discriminators: non-saturating, with R1 and the category."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def generator_loss(fake_logits: Tensor) -> Tensor:
    """How far the discriminator is from taking generated pictures for real."""
    return F.softplus(-fake_logits).mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Logistic loss of telling real pictures from generated ones."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def category_loss(category_logits: Tensor, category: Tensor) -> Tensor:
    """Cross entropy of [N, K] logits with [N] class numbers (auxiliary classifier, 1610.09585)."""
    return F.cross_entropy(category_logits, category)


def gradient_penalty(real_logits: Tensor, real_nchw: Tensor) -> Tensor:
    """R1: the squared norm of the logits' gradient at real pictures (arXiv 1801.04406).

    Args:
        real_logits: [N] logits of ``real_nchw``.
        real_nchw: [N, 3, H, W], with ``requires_grad``.
    """
    (gradient,) = torch.autograd.grad(real_logits.sum(), real_nchw, create_graph=True)
    return 0.5 * gradient.square().sum(dim=(1, 2, 3)).mean()
