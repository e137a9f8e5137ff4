"""A given packshot projected into the generator: the styles whose picture is nearest to it.

Found by optimisation (as of StyleGAN2, arXiv 1912.04958, section 5): first one style for the whole
network, then one for each of its blocks (W+ of Image2StyleGAN, arXiv 1904.03189), held near
the category's mean style. Nearness is of pixels and of features of EfficientNet-Lite0. With the
styles at hand the product can be varied: in shape by the coarse blocks, in colour by the fine ones.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from packshot.contracts import IMAGE_SIDE, LATENT_SIZE
from packshot.errors import EditError
from packshot.generation.editing import category_number
from packshot.generation.styles import synthesize_blocks
from packshot.models.efficientnet_lite import EfficientNetLite0, imagenet_checkpoint
from packshot.models.generator import Generator

FloatArray = npt.NDArray[np.float32]
PixelArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
Report = Callable[[int, float], None]
"""Called after each step with (step, loss)."""

_TAPS: Final = 3
_FORMAT: Final = "packshot-projection-1"


@dataclass(frozen=True, kw_only=True)
class ProjectionOptions:
    """How to look for the styles.

    Attributes:
        steps: Optimiser steps; the first third looks for one style of all blocks.
        rate: Learning rate of Adam, with a cosine to zero.
        candidates: Random styles, the best of which is the start.
        feature_weight: Weight of the difference of features beside that of pixels.
        prior_weight: Weight of the distance to the mean style, in its standard deviations.
        seed: Of the candidates.

    Raises:
        EditError: A value out of its range.
    """

    steps: int = 300
    rate: float = 0.05
    candidates: int = 64
    feature_weight: float = 0.2
    prior_weight: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 3 or self.candidates < 2:
            raise EditError(
                "A projection takes 3 steps and 2 candidates or more, got"
                f" {self.steps} and {self.candidates}."
            )
        if self.rate <= 0 or min(self.feature_weight, self.prior_weight) < 0:
            raise EditError(
                "The rate must be positive and no weight negative, got"
                f" {self.rate}, {self.feature_weight} and {self.prior_weight}."
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection:
    """Where in the generator a packshot is.

    Attributes:
        category: Its category.
        styles: [B, S] float32, a style for each block.
        psnr: Of its picture against the packshot, in dB, where that was known.
    """

    category: str
    styles: FloatArray
    psnr: float

    def save(self, path: Path) -> None:
        """Write as JSON."""
        content = {
            "format": _FORMAT,
            "category": self.category,
            "psnr": self.psnr,
            "styles": self.styles.tolist(),
        }
        path.write_text(json.dumps(content) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Projection:
        """Read what ``save`` wrote.

        Raises:
            EditError: No such file, or no projection.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != _FORMAT:
                raise ValueError(f"format {content['format']!r}")
            styles = np.array(content["styles"], np.float32)
            if styles.ndim != 2 or not np.isfinite(styles).all():
                raise ValueError("its styles are no table of numbers")
            return cls(
                category=str(content["category"]), styles=styles, psnr=float(content["psnr"])
            )
        except FileNotFoundError as error:
            raise EditError(f"There is no file {path}.") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EditError(
                f"{path} is not a projection made by `packshot-edit project` ({error})."
            ) from error


class Projector:
    """Projects packshots into one generator.

    Raises:
        ImportError: The ImageNet weights of EfficientNet-Lite0 are not installed.
    """

    def __init__(self, generator: Generator) -> None:
        self.generator = generator.eval().requires_grad_(False)
        self._backbone = EfficientNetLite0()
        self._backbone.load_imagenet_weights(imagenet_checkpoint())
        self._backbone.eval().requires_grad_(False)

    def project(
        self,
        picture_hwc_u8: PixelArray,
        category: str,
        options: ProjectionOptions | None = None,
        *,
        known: BoolArray | None = None,
        report: Report | None = None,
    ) -> Projection:
        """Find the styles whose picture is nearest to a packshot.

        Args:
            picture_hwc_u8: [64, 64, 3] uint8, sRGB, see ``packshot.generation.framing``.
            category: What it shows, one of ``CATEGORIES``.
            options: How to look.
            known: [64, 64] bool, the pixels that count; None takes them all.
            report: Called after each step.

        Raises:
            EditError: Another size, no such category, or nothing known.
        """
        options = options or ProjectionOptions()
        number = category_number(category)
        target, weight = _target(picture_hwc_u8, known)
        target_features = self._features(target)
        blocks = len(self.generator.blocks)
        candidates = self._candidates(number, options)
        mean, deviation = candidates.mean(dim=0), candidates.std(dim=0) + 1e-4
        with torch.no_grad():
            fits = torch.stack(
                [
                    self._misfit(
                        style.expand(1, blocks, -1), target, target_features, weight, options
                    )
                    for style in (mean, *candidates)
                ]
            )
        start = torch.cat([mean[None], candidates])[fits.argmin()]
        styles = start.expand(1, 1, -1).clone().requires_grad_()
        step = 0
        # One style for all blocks finds the place, one for each the details.
        for steps in (options.steps // 3, options.steps - options.steps // 3):
            optimizer = torch.optim.Adam([styles], lr=options.rate)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
            for _ in range(steps):
                loss = self._misfit(
                    styles.expand(-1, blocks, -1), target, target_features, weight, options
                )
                loss = loss + options.prior_weight * ((styles - mean) / deviation).square().mean()
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                step += 1
                if report is not None:
                    report(step, float(loss.detach()))
            styles = styles.detach().expand(-1, blocks, -1).clone().requires_grad_()
        found = styles.detach()
        with torch.no_grad():
            made = synthesize_blocks(self.generator, found).clamp(-1.0, 1.0)
        # Of a range of 2, and over the known pixels of three channels.
        error = float(((made - target).square() * weight).sum() / (3.0 * weight.sum()))
        return Projection(
            category=category,
            styles=found[0].numpy(),
            psnr=10.0 * math.log10(4.0 / max(error, 1e-10)),
        )

    def _candidates(self, number: int, options: ProjectionOptions) -> Tensor:
        rng = torch.Generator().manual_seed(options.seed)
        latent = torch.randn(options.candidates, LATENT_SIZE, generator=rng)
        return self.generator.styles(latent, torch.full((options.candidates,), number))

    def _misfit(
        self,
        styles: Tensor,
        target: Tensor,
        target_features: list[Tensor],
        weight: Tensor,
        options: ProjectionOptions,
    ) -> Tensor:
        made = synthesize_blocks(self.generator, styles)
        pixels = ((made - target).square() * weight).sum() / (3.0 * weight.sum())
        if options.feature_weight == 0:
            return pixels
        # What is not known is taken as the target has it, so that it pulls nowhere.
        seen = made.clamp(-1.0, 1.0) * weight + target * (1.0 - weight)
        features = torch.stack(
            [
                F.mse_loss(found, wanted) / (wanted.square().mean() + 1e-6)
                for found, wanted in zip(self._features(seen), target_features, strict=True)
            ]
        ).mean()
        return pixels + options.feature_weight * features

    def _features(self, x_nchw: Tensor) -> list[Tensor]:
        return list(self._backbone(x_nchw)[:_TAPS])


def _target(picture_hwc_u8: PixelArray, known: BoolArray | None) -> tuple[Tensor, Tensor]:
    expected = (IMAGE_SIDE, IMAGE_SIDE, 3)
    if picture_hwc_u8.shape != expected:
        raise EditError(
            f"A packshot to project is {expected}, got {picture_hwc_u8.shape}: square it with"
            " packshot.generation.framing.squared."
        )
    if known is None:
        known = np.ones(expected[:2], bool)
    if known.shape != expected[:2] or not known.any():
        raise EditError("Of a packshot to project some pixels must be known, got none.")
    target = torch.from_numpy(picture_hwc_u8).permute(2, 0, 1)[None].float() / 127.5 - 1.0
    return target, torch.from_numpy(known)[None, None].float()
