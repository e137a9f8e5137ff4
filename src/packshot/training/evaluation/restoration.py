"""Measuring the restoration network: spoilt photos of sellers, and clean ones left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from packshot.contracts import VIEW_SIZE
from packshot.errors import TrainingError
from packshot.models.restoration import RestoreNet
from packshot.training.enhancement.fault_chains import (
    SELLER_FAULTS,
    TONAL_FAULTS,
    FaultChain,
    draw_chain,
)
from packshot.training.enhancement.fidelity import PixelArray, delta_e, psnr, ssim
from packshot.training.enhancement.photos import split_source
from packshot.training.enhancement.restoration import restored
from packshot.training.evaluation.cost import Cost, cost_of
from packshot.training.evaluation.opencv_tools import OPENCV_TOOLS, OpenCvTool
from packshot.training.metrics import Estimate, mean_estimate
from packshot.training.quality.photos import read_photo

Advance = Callable[[str, int, int], None]

_CPU = torch.device("cpu")
_COST_SIDE = 1000
_EQUAL_PSNR = 100.0
"""What an unchanged picture counts, in dB: its PSNR is infinite."""


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """Nearness to the original: PSNR in dB, SSIM 0-1, mean CIEDE2000."""

    psnr: float
    ssim: float
    delta_e: float


@dataclass(frozen=True, kw_only=True)
class RestoredPhoto:
    """One spoilt photo.

    Attributes:
        name: Its file.
        faults: Names and severities, in the order applied.
        spoilt: Nearness of the network's input.
        restored: Nearness of its output.
        best_tool: Nearness of what the best of OpenCV's tools makes of the input, by PSNR, chosen
            knowing the original; None where that was not measured.
        tool: Which tool that is.
    """

    name: str
    faults: tuple[tuple[str, float], ...]
    spoilt: Fidelity
    restored: Fidelity
    best_tool: Fidelity | None
    tool: str | None


@dataclass(frozen=True, kw_only=True)
class FaultGain:
    """What restoring gains on the photos with one kind of fault, beside others.

    Attributes:
        group: The kind of fault.
        photos: How many have it.
        psnr_before: Mean of the spoilt photos, dB.
        psnr_gain: dB.
        ssim_gain: Of 0-1.
        delta_e_before: Mean CIEDE2000 of the spoilt photos to their originals.
        delta_e_after: The same of the restored ones.
    """

    group: str
    photos: int
    psnr_before: float
    psnr_gain: Estimate
    ssim_gain: Estimate
    delta_e_before: float
    delta_e_after: Estimate


@dataclass(frozen=True, kw_only=True)
class RestoreEvaluation:
    """What was measured.

    Attributes:
        photos: Every spoilt photo.
        summary: Mean PSNR, SSIM and delta E of input, best tool and network; of the gains of the
            network over both.
        groups: Gains by kind of fault, and with and without any of tone.
        clean: PSNR of clean photos after the network against before; unchanged ones count 100 dB.
        clean_delta_e: Their colour difference.
        improved: Share of spoilt photos with a higher PSNR after.
        cost: Of a 1000x1000 picture.
    """

    photos: list[RestoredPhoto]
    summary: dict[str, Estimate]
    groups: list[FaultGain]
    clean: Estimate
    clean_delta_e: Estimate
    improved: float
    cost: Cost


def fidelity(image: PixelArray, original: PixelArray) -> Fidelity:
    """All three measures."""
    return Fidelity(
        psnr=min(psnr(image, original), _EQUAL_PSNR),
        ssim=ssim(image, original),
        delta_e=delta_e(image, original),
    )


def evaluation_chain(index: int) -> FaultChain:
    """The faults of the test photo of this index: two or more, the same in every evaluation."""
    return draw_chain(np.random.default_rng((7, index)), minimum=2)


def evaluate_restoration(
    network: RestoreNet,
    *,
    data: Path,
    photos: int | None,
    with_tools: bool,
    resamples: int,
    advance: Advance,
) -> RestoreEvaluation:
    """Spoil, restore and compare the test part of the sellers' photos.

    Raises:
        TrainingError: Photos are missing, or scikit-image is.
    """
    paths = spread(split_source(data / "seller_photos").test, photos)
    results, clean_psnr, clean_delta_e = [], [], []
    for index, path in enumerate(paths):
        original = read_photo(path)
        results.append(_measured(network, path.name, original, evaluation_chain(index), with_tools))
        untouched = restored(network, original, _CPU)
        clean_psnr.append(min(psnr(untouched, original), _EQUAL_PSNR))
        clean_delta_e.append(delta_e(untouched, original))
        advance("photos", index + 1, len(paths))
    picture = torch.zeros(1, _COST_SIDE, _COST_SIDE, 3, dtype=torch.uint8)
    thumbnail = torch.zeros(1, VIEW_SIZE, VIEW_SIZE, 3, dtype=torch.uint8)
    return RestoreEvaluation(
        photos=results,
        summary=_summary(results, resamples),
        groups=_groups(results, resamples),
        clean=mean_estimate(clean_psnr, resamples=resamples),
        clean_delta_e=mean_estimate(clean_delta_e, resamples=resamples),
        improved=float(np.mean([p.restored.psnr > p.spoilt.psnr for p in results])),
        cost=cost_of(network, picture, thumbnail),
    )


def spread(paths: Sequence[Path], count: int | None) -> list[Path]:
    """``count`` paths, evenly over all (they are sorted by kind of product)."""
    if count is None or count >= len(paths):
        return list(paths)
    if count < 2:
        raise TrainingError(f"at least 2 photos are needed for an interval, got {count}")
    return [paths[int(index)] for index in np.linspace(0, len(paths) - 1, count)]


def _measured(
    network: RestoreNet, name: str, original: PixelArray, chain: FaultChain, with_tools: bool
) -> RestoredPhoto:
    spoilt = chain.apply(original)
    best: tuple[OpenCvTool, PixelArray] | None = None
    if with_tools:
        attempts = ((tool, tool.apply(spoilt)) for tool in OPENCV_TOOLS)
        best = max(attempts, key=lambda attempt: psnr(attempt[1], original))
    return RestoredPhoto(
        name=name,
        faults=chain.faults,
        spoilt=fidelity(spoilt, original),
        restored=fidelity(restored(network, spoilt, _CPU), original),
        best_tool=fidelity(best[1], original) if best else None,
        tool=f"{best[0].name} {best[0].strength:g}" if best else None,
    )


def _summary(photos: list[RestoredPhoto], resamples: int) -> dict[str, Estimate]:
    def mean(values: Sequence[float]) -> Estimate:
        return mean_estimate(values, resamples=resamples)

    tools = [photo.best_tool for photo in photos if photo.best_tool is not None]
    summary: dict[str, Estimate] = {}
    for measure in ("psnr", "ssim", "delta_e"):
        before = [getattr(photo.spoilt, measure) for photo in photos]
        after = [getattr(photo.restored, measure) for photo in photos]
        summary[f"{measure} spoilt"] = mean(before)
        summary[f"{measure} restored"] = mean(after)
        summary[f"{measure} gain"] = mean(np.subtract(after, before).tolist())
        if tools:
            by_tool = [getattr(fidelity, measure) for fidelity in tools]
            summary[f"{measure} best tool"] = mean(by_tool)
            summary[f"{measure} gain over best tool"] = mean(np.subtract(after, by_tool).tolist())
    return summary


def _groups(photos: list[RestoredPhoto], resamples: int) -> list[FaultGain]:
    """By fault; then where light or colour is wrong, and where the network is to leave it alone."""
    chosen = {}
    for group in SELLER_FAULTS:
        names = frozenset(name for name, _, _ in group.faults)
        chosen[group.name] = [photo for photo in photos if _has(photo, names)]
    chosen["any of light and colour"] = [photo for photo in photos if _has(photo, TONAL_FAULTS)]
    chosen["none of light and colour"] = [
        photo for photo in photos if not _has(photo, TONAL_FAULTS)
    ]
    return [_gain(name, group, resamples) for name, group in chosen.items() if len(group) > 1]


def _has(photo: RestoredPhoto, faults: frozenset[str]) -> bool:
    return any(fault in faults for fault, _ in photo.faults)


def _gain(name: str, photos: list[RestoredPhoto], resamples: int) -> FaultGain:
    def mean(values: list[float]) -> Estimate:
        return mean_estimate(values, resamples=resamples)

    return FaultGain(
        group=name,
        photos=len(photos),
        psnr_before=float(np.mean([p.spoilt.psnr for p in photos])),
        psnr_gain=mean([p.restored.psnr - p.spoilt.psnr for p in photos]),
        ssim_gain=mean([p.restored.ssim - p.spoilt.ssim for p in photos]),
        delta_e_before=float(np.mean([p.spoilt.delta_e for p in photos])),
        delta_e_after=mean([p.restored.delta_e for p in photos]),
    )
