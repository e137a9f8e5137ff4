"""Does the mark of generated pictures survive, is it seen, and is it heard where it is not?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import beta

from packshot.contracts import CATEGORIES, DEFAULT_TRUNCATION, GENERATION_SCALES
from packshot.errors import ImageError, TrainingError
from packshot.generation.latents import latents
from packshot.generation.watermark import THRESHOLD, confidence, marked
from packshot.imaging.decode import decode
from packshot.models.generator import Generator
from packshot.models.restoration import RestoreNet
from packshot.models.upscaling import UpscaleNet
from packshot.training.evaluation.watermark_changes import (
    BEYOND,
    REQUIRED,
    own_changes,
    rescaled,
)
from packshot.training.generation.packshots import read_packshots, split_packshots

PixelArray = npt.NDArray[np.uint8]
Advance = Callable[[str, int, int, str], None]

FIRST_SEED: Final = 1_000_000
PHOTO_FOLDERS: Final = ("seller_photos", "studio", "biq2021/images", "bsds")
THUMBNAIL_SIDES: Final = (64, 128, 256)
_BATCH: Final = 16


@dataclass(frozen=True, kw_only=True)
class Survival:
    """Marked pictures of one source and size after one change.

    Attributes:
        pictures: What they are.
        scale: Of the enlargement.
        change: What was done to them.
        count: How many.
        detected: Share in which the mark is found.
        lowest: 5th percentile of the confidence.
    """

    pictures: str
    scale: int
    change: str
    count: int
    detected: float
    lowest: float


@dataclass(frozen=True, kw_only=True)
class Visibility:
    """How much the mark changes the pictures of one source and size.

    Attributes:
        pictures: What they are.
        scale: Of the enlargement.
        psnr_db: Median over the pictures, against the unmarked one.
        psnr_lowest_db: 5th percentile.
        white_changed: Share of pure white pixels that are not any more.
    """

    pictures: str
    scale: int
    psnr_db: float
    psnr_lowest_db: float
    white_changed: float


@dataclass(frozen=True, kw_only=True)
class FalseMarks:
    """Real photos of one folder in which the mark is looked for.

    Attributes:
        photos: The folder.
        shown: As they are, or as thumbnails of that side.
        count: How many.
        alarms: In how many it is found.
        upper_bound: Of the rate of false alarms, 95 % one-sided (Clopper and Pearson).
        spread: Standard deviation of the confidence; 1 for coin tosses.
        highest: Of the confidence.
    """

    photos: str
    shown: str
    count: int
    alarms: int
    upper_bound: float
    spread: float
    highest: float


@dataclass(frozen=True, kw_only=True)
class WatermarkEvaluation:
    """Everything measured of the mark."""

    threshold: float
    survival: tuple[Survival, ...]
    visibility: tuple[Visibility, ...]
    false_marks: tuple[FalseMarks, ...]


def evaluate_watermark(
    generator: Generator,
    upscalers: Mapping[int, UpscaleNet],
    restorer: RestoreNet,
    *,
    data: Path,
    count: int,
    most_photos: int | None,
    advance: Advance,
) -> WatermarkEvaluation:
    """Measure.

    Args:
        generator: Makes the pictures of the first source.
        upscalers: Network by scale.
        restorer: What ``enhance`` restores with.
        data: Folder with packshots/, seller_photos/ and so on.
        count: Pictures of each source at each scale.
        most_photos: Real photos of each folder; None is all.
        advance: Told what is done, how much of it, of how much, and a note.

    Raises:
        TrainingError: There are no photos in ``data``.
    """
    catalogue = read_packshots(data / "packshots")
    held_back = split_packshots(catalogue)[1].pictures
    rows = np.linspace(0, len(held_back) - 1, min(count, len(held_back)), dtype=int)
    sources = {"generated": generated(generator, count), "catalogue, held back": held_back[rows]}
    changes = {**REQUIRED, **BEYOND, **own_changes(restorer, upscalers[min(upscalers)])}
    survival: list[Survival] = []
    visibility: list[Visibility] = []
    for done, (name, scale) in enumerate((n, s) for n in sources for s in GENERATION_SCALES):
        advance("marking", done, len(sources) * len(GENERATION_SCALES), f"{name} x{scale}")
        plain = enlarged(sources[name], upscalers.get(scale))
        signed = [marked(picture) for picture in plain]
        visibility.append(_visibility(name, scale, plain, signed))
        survival += [
            _survival(name, scale, change, [apply(picture) for picture in signed])
            for change, apply in changes.items()
        ]
    false_marks = list(
        _in_photos("packshots, squared", list(catalogue.pictures[:most_photos]), advance)
    )
    for folder in PHOTO_FOLDERS:
        paths = sorted((data / folder).rglob("*.jpg"))[:most_photos]
        if paths:
            false_marks += _in_photos(folder, paths, advance)
    return WatermarkEvaluation(
        threshold=THRESHOLD,
        survival=tuple(survival),
        visibility=tuple(visibility),
        false_marks=(*false_marks, *_together(false_marks)),
    )


def generated(
    generator: Generator, count: int, truncation: float = DEFAULT_TRUNCATION
) -> PixelArray:
    """Pictures of all categories in turn, [count, 64, 64, 3]."""
    parts = []
    for start in range(0, count, _BATCH):
        rows = range(start, min(start + _BATCH, count))
        with torch.inference_mode():
            pictures = generator(
                torch.from_numpy(latents([FIRST_SEED + row for row in rows])),
                torch.tensor([[row % len(CATEGORIES)] for row in rows], dtype=torch.int32),
                torch.full((len(rows), 1), truncation),
            )
        parts.append(pictures.numpy())
    return np.concatenate(parts)


def enlarged(pictures: PixelArray, network: UpscaleNet | None) -> PixelArray:
    """Through an upscaling network; as they are without one."""
    if network is None:
        return pictures
    with torch.inference_mode():
        parts = [
            network(torch.from_numpy(pictures[start : start + _BATCH])).numpy()
            for start in range(0, len(pictures), _BATCH)
        ]
    return np.concatenate(parts)


def _survival(name: str, scale: int, change: str, pictures: Sequence[PixelArray]) -> Survival:
    heard = np.array([confidence(picture) for picture in pictures])
    return Survival(
        pictures=name,
        scale=scale,
        change=change,
        count=len(heard),
        detected=float((heard >= THRESHOLD).mean()),
        lowest=float(np.percentile(heard, 5)),
    )


def _visibility(
    name: str, scale: int, plain: PixelArray, signed: Sequence[PixelArray]
) -> Visibility:
    errors = [np.mean((a.astype(np.float64) - b) ** 2) for a, b in zip(plain, signed, strict=True)]
    psnr = [10 * np.log10(255**2 / max(float(error), 1e-6)) for error in errors]
    white = (plain == 255).all(axis=3)
    changed = (np.stack(signed)[white] < 255).any(axis=1)
    return Visibility(
        pictures=name,
        scale=scale,
        psnr_db=float(np.median(psnr)),
        psnr_lowest_db=float(np.percentile(psnr, 5)),
        white_changed=float(changed.mean()) if len(changed) else 0.0,
    )


def _in_photos(
    name: str, photos: Sequence[Path | PixelArray], advance: Advance
) -> Iterator[FalseMarks]:
    heard: dict[str, list[float]] = {}
    for done, photo in enumerate(photos):
        if done % 50 == 0:
            advance("looking in photos", done, len(photos), name)
        try:
            pixels = decode(photo.read_bytes()).pixels_hwc_u8 if isinstance(photo, Path) else photo
        except ImageError as error:
            raise TrainingError(f"cannot look in {photo}: {error}") from error
        heard.setdefault("as they are", []).append(confidence(pixels))
        for side in THUMBNAIL_SIDES:
            if min(pixels.shape[:2]) > side:
                shrunk = rescaled(pixels, side / max(pixels.shape[:2]))
                heard.setdefault(f"{side} px", []).append(confidence(shrunk))
    for shown, values in heard.items():
        alarms = sum(value >= THRESHOLD for value in values)
        yield FalseMarks(
            photos=name,
            shown=shown,
            count=len(values),
            alarms=alarms,
            upper_bound=upper_bound(alarms, len(values)),
            spread=float(np.std(values)),
            highest=max(values),
        )


def _together(found: Sequence[FalseMarks]) -> Iterator[FalseMarks]:
    for shown in dict.fromkeys(item.shown for item in found):
        items = [item for item in found if item.shown == shown]
        count, alarms = sum(i.count for i in items), sum(i.alarms for i in items)
        variance = sum(i.count * i.spread**2 for i in items) / count
        yield FalseMarks(
            photos="all",
            shown=shown,
            count=count,
            alarms=alarms,
            upper_bound=upper_bound(alarms, count),
            spread=float(np.sqrt(variance)),
            highest=max(i.highest for i in items),
        )


def upper_bound(alarms: int, count: int) -> float:
    """Largest rate that leaves 5 % chance of so few alarms (Clopper and Pearson, 1934)."""
    return 1.0 if alarms == count else float(beta.ppf(0.95, alarms + 1, count - alarms))
