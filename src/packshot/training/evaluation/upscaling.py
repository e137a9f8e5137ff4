"""Measuring the upscaling networks beside bicubic enlargement, on two kinds of small pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from packshot.errors import TrainingError
from packshot.models.upscaling import UpscaleNet
from packshot.training.enhancement.capture import PhotoCapture
from packshot.training.enhancement.fidelity import PixelArray, psnr_y, ssim_y
from packshot.training.enhancement.photos import read_shrunk, split_source
from packshot.training.enhancement.resampling import (
    bicubic_enlarge,
    bicubic_shrink,
    cut_to_multiple,
)
from packshot.training.enhancement.upscaling import upscaled
from packshot.training.evaluation.cost import Cost, cost_of
from packshot.training.metrics import Estimate, mean_estimate
from packshot.training.quality.photos import read_photo

Advance = Callable[[str, int, int], None]

BICUBIC = "bicubic"
"""The method everything is compared with: plain enlargement."""

_CPU = torch.device("cpu")
_COST_SIDE = 400
_LARGEST_SIDE = 512


@dataclass(frozen=True, kw_only=True)
class UpscaleResult:
    """One method on one set of pictures, at one scale.

    Attributes:
        scale: Factor of both sides.
        pictures: Which set.
        small: How the small pictures came about: "bicubic" or "photo".
        method: "bicubic", or the name of a weights file.
        count: Number of pictures.
        psnr: Mean PSNR of luma in dB, a border of ``scale`` pixels cut off.
        ssim: Mean SSIM of luma, likewise.
        gain: Mean PSNR minus that of bicubic enlargement.
    """

    scale: int
    pictures: str
    small: str
    method: str
    count: int
    psnr: Estimate
    ssim: Estimate
    gain: Estimate


@dataclass(frozen=True, kw_only=True)
class UpscaleEvaluation:
    """Results, and the cost of a 400x400 picture by weights file."""

    results: list[UpscaleResult]
    costs: dict[str, Cost]


def evaluate_upscaling(
    networks: Mapping[str, UpscaleNet],
    *,
    data: Path,
    photos: int,
    resamples: int,
    advance: Advance,
) -> UpscaleEvaluation:
    """Measure each network at its scale on Set5 and on test photos.

    Args:
        networks: By name.
        data: Folder with set5/ and any of bsds/, studio/ and seller_photos/.
        photos: Most photos of a source.
        resamples: Draws of each bootstrap interval.
        advance: Told of progress.

    Raises:
        TrainingError: No test pictures, or scikit-image is missing.
    """
    sets = dict(evaluation_sets(data, photos))
    if not sets:
        raise TrainingError(f"no test pictures below {data}: expected set5/ with PNG files")
    scales = sorted({network.config.scale for network in networks.values()})
    stages = [(s, name, small) for s in scales for name in sets for small in ("bicubic", "photo")]
    results: list[UpscaleResult] = []
    for done, (scale, name, small) in enumerate(stages, start=1):
        at_scale = {k: n for k, n in networks.items() if n.config.scale == scale}
        results += _compared(at_scale, scale, name, sets[name], small, resamples)
        advance("sets", done, len(stages))
    picture = torch.zeros(1, _COST_SIDE, _COST_SIDE, 3, dtype=torch.uint8)
    costs = {name: cost_of(network, picture) for name, network in networks.items()}
    return UpscaleEvaluation(results=results, costs=costs)


def evaluation_sets(data: Path, photos: int) -> Iterator[tuple[str, list[PixelArray]]]:
    """Large pictures by set, at most ``photos`` each; nothing here was trained on."""
    set5 = sorted((data / "set5").glob("*.png"))
    if set5:
        yield "Set5", [read_photo(path) for path in set5]
    # Shrunk like the training photos: traces of their own compression go.
    for source, shrink in (("bsds", 1.0), ("studio", 0.5), ("seller_photos", 1.0)):
        if (data / source).is_dir():
            test = split_source(data / source).test
            spread = test[:: max(1, len(test) // photos)][:photos]
            images = (read_shrunk(path, shrink) for path in spread)
            yield source, [image[:_LARGEST_SIDE, :_LARGEST_SIDE] for image in images]


def small_picture(large: PixelArray, scale: int, small: str, index: int) -> PixelArray:
    """The network's input for the test picture of this index."""
    if small == "bicubic":
        return bicubic_shrink(large, scale)
    capture = PhotoCapture(plain=0.0)
    return capture.small(large, scale, np.random.default_rng((7, index)))


def _compared(
    networks: Mapping[str, UpscaleNet],
    scale: int,
    name: str,
    pictures: list[PixelArray],
    small: str,
    resamples: int,
) -> list[UpscaleResult]:
    psnrs: dict[str, list[float]] = {method: [] for method in (BICUBIC, *networks)}
    ssims: dict[str, list[float]] = {method: [] for method in psnrs}
    for index, picture in enumerate(pictures):
        large = cut_to_multiple(picture, scale)
        source = small_picture(large, scale, small, index)
        for method in psnrs:
            enlarged = (
                bicubic_enlarge(source, scale)
                if method == BICUBIC
                else upscaled(networks[method], source, _CPU)
            )
            psnrs[method].append(psnr_y(enlarged, large, border=scale))
            ssims[method].append(ssim_y(enlarged, large, border=scale))
    return [
        UpscaleResult(
            scale=scale,
            pictures=name,
            small=small,
            method=method,
            count=len(pictures),
            psnr=mean_estimate(values, resamples=resamples),
            ssim=mean_estimate(ssims[method], resamples=resamples),
            gain=mean_estimate(np.subtract(values, psnrs[BICUBIC]).tolist(), resamples=resamples),
        )
        for method, values in psnrs.items()
    ]
