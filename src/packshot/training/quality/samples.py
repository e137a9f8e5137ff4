"""Training samples of the quality network: a photo, augmented or spoilt, and its targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from packshot.contracts import GRID, LEARNED_ATTRIBUTES, PATCH_SIZE
from packshot.imaging.views import fragments, global_view
from packshot.training.degradations import FAULTS, Fault
from packshot.training.quality.photos import CleanPhoto, LabelledPhoto, PixelArray, read_photo

NO_FAULT = -1
NO_PAIR = -1
VISIBLE_SEVERITY = 0.2
CLEAN_STUDIO_SCORE = 0.7


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One training sample.

    Attributes:
        global_view: [224, 224, 3] uint8.
        fragments: [224, 224, 3] uint8.
        mos: Human score 0-1, NaN where there is none.
        score_floor: The score should be at least this, NaN where not known.
        score_ceiling: The score should be at most this, NaN where not known.
        attributes: [7] float32 targets, NaN where not known.
        quality_map: [7, 7, 7] float32 targets, NaN where not known.
        only_fault: Index of the attribute of the one fault of an otherwise clean photo, which
            should be the lowest of all; ``NO_FAULT`` where there is none or there are several.
        pair: Equal for two samples that differ in nothing but the severity of their faults;
            ``NO_PAIR`` for all others.
    """

    global_view: PixelArray
    fragments: PixelArray
    mos: float
    score_floor: float
    score_ceiling: float
    attributes: npt.NDArray[np.float32]
    quality_map: npt.NDArray[np.float32]
    only_fault: int = NO_FAULT
    pair: int = NO_PAIR


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Changes that leave quality as it is.

    Attributes:
        smallest_crop: Smallest side of the random crop, as a share of the frame.
        flip: Whether to mirror half of the photos.
    """

    smallest_crop: float = 0.85
    flip: bool = True


def augment(image: PixelArray, config: Augmentation, rng: np.random.Generator) -> PixelArray:
    """Random crop and mirror of [H, W, 3]."""
    height, width = image.shape[:2]
    share = rng.uniform(config.smallest_crop, 1.0)
    crop_height, crop_width = max(1, round(height * share)), max(1, round(width * share))
    top = int(rng.integers(height - crop_height + 1))
    left = int(rng.integers(width - crop_width + 1))
    image = image[top : top + crop_height, left : left + crop_width]
    if config.flip and rng.random() < 0.5:
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def labelled_sample(
    photo: LabelledPhoto, augmentation: Augmentation | None, rng: np.random.Generator
) -> Sample:
    """A photo with its human score; attributes unknown. ``None`` gives the views of serving."""
    image = read_photo(photo.path)
    position = (0.5, 0.5)
    if augmentation is not None:
        image = augment(image, augmentation, rng)
        position = (float(rng.random()), float(rng.random()))
    count = len(LEARNED_ATTRIBUTES)
    return Sample(
        global_view=global_view(image),
        fragments=fragments(image, position),
        mos=photo.mos,
        score_floor=float("nan"),
        score_ceiling=float("nan"),
        attributes=np.full(count, np.nan, np.float32),
        quality_map=np.full((count, GRID, GRID), np.nan, np.float32),
    )


def faulty_sample(
    photo: CleanPhoto,
    augmentation: Augmentation,
    rng: np.random.Generator,
    severity_rng: np.random.Generator | None = None,
) -> Sample:
    """A clean photo with no fault (15 %), one (60 %) or two, one third of them in a region only.

    ``severity_rng`` draws the severities where given, so that two samples can share all else.
    """
    image = shrunk_clean(photo, rng)
    image = augment(image, augmentation, rng)
    position = (float(rng.random()), float(rng.random()))

    chosen = _draw_faults(rng)
    draws = severity_rng or rng
    severities = {fault.name: float(draws.uniform(0.05, 1.0)) for fault in chosen}
    mask = _region_mask(image, rng) if chosen and rng.random() < 0.33 else None
    faulty = image
    for fault in chosen:
        faulty = fault.apply(faulty, severities[fault.name], rng)
    if mask is not None:
        faulty = np.where(mask[..., None] > 0, faulty, image)
    coverage = _patch_coverage(mask, position)

    attributes, quality_map = _targets(chosen, severities, coverage)
    if mask is not None:
        attributes[:] = np.nan
    elif not photo.trusted:
        attributes[attributes == 1.0] = np.nan
    if not photo.trusted:
        quality_map[quality_map == 1.0] = np.nan
    worst = max(severities.values(), default=0.0) if mask is None else 0.0
    return Sample(
        global_view=global_view(faulty),
        fragments=fragments(faulty, position),
        mos=float("nan"),
        score_floor=_score_floor(photo, chosen),
        score_ceiling=_score_ceiling(photo, worst),
        attributes=attributes,
        quality_map=quality_map,
        only_fault=_only_fault(photo, chosen, worst),
    )


def shrunk_clean(photo: CleanPhoto, rng: np.random.Generator) -> PixelArray:
    """A clean photo, shrunk a little: that hides whatever noise and blocks it still has."""
    image = read_photo(photo.path)
    scale = rng.uniform(0.55, 0.8) if not photo.trusted else rng.uniform(0.6, 1.0)
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _draw_faults(rng: np.random.Generator) -> list[Fault]:
    count = int(rng.choice([0, 1, 2], p=[0.15, 0.6, 0.25]))
    chosen: dict[str, int] = {}
    for attribute in rng.permutation(LEARNED_ATTRIBUTES)[:count]:
        candidates = [i for i, fault in enumerate(FAULTS) if fault.attribute == attribute]
        chosen[str(attribute)] = int(rng.choice(candidates))
    return [FAULTS[index] for index in sorted(chosen.values())]


def _targets(
    chosen: Sequence[Fault], severities: dict[str, float], coverage: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    attributes = np.ones(len(LEARNED_ATTRIBUTES), np.float32)
    quality_map = np.ones((len(LEARNED_ATTRIBUTES), GRID, GRID), np.float32)
    for fault in chosen:
        index = LEARNED_ATTRIBUTES.index(fault.attribute)
        attributes[index] = 1.0 - severities[fault.name]
        quality_map[index] = 1.0 - severities[fault.name] * coverage
    return attributes, quality_map


def _only_fault(photo: CleanPhoto, chosen: Sequence[Fault], worst_severity: float) -> int:
    """A fault too weak to see, in a region, or beside a photo's own faults names no attribute."""
    if len(chosen) != 1 or not photo.trusted or worst_severity < VISIBLE_SEVERITY:
        return NO_FAULT
    return LEARNED_ATTRIBUTES.index(chosen[0].attribute)


def _region_mask(image: PixelArray, rng: np.random.Generator) -> PixelArray:
    """A random ellipse or rectangle over a fifth to two thirds of the frame, 255 inside."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    half = (rng.uniform(0.22, 0.45) * width, rng.uniform(0.22, 0.45) * height)
    centre = (rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.8) * height)
    if rng.random() < 0.5:
        cv2.ellipse(
            mask,
            (round(centre[0]), round(centre[1])),
            (round(half[0]), round(half[1])),
            float(rng.uniform(0, 180)),
            0,
            360,
            255,
            thickness=-1,
        )
    else:
        start = (round(centre[0] - half[0]), round(centre[1] - half[1]))
        end = (round(centre[0] + half[0]), round(centre[1] + half[1]))
        cv2.rectangle(mask, start, end, 255, thickness=-1)
    return mask


def _patch_coverage(
    mask: PixelArray | None, position: tuple[float, float]
) -> npt.NDArray[np.float32]:
    """Share of each of the 7x7 patches that lies inside the mask; 1 everywhere without one."""
    if mask is None:
        return np.ones((GRID, GRID), np.float32)
    mosaic = fragments(np.repeat(mask[..., None], 3, axis=2), position)[..., 0]
    cells = mosaic.reshape(GRID, PATCH_SIZE, GRID, PATCH_SIZE).astype(np.float32)
    return np.asarray(cells.mean(axis=(1, 3)) / 255.0, np.float32)


def _score_floor(photo: CleanPhoto, chosen: Sequence[Fault]) -> float:
    """Clean studio photos are good product photos, though nobody scored them."""
    if photo.mos is None and photo.trusted and not chosen:
        return CLEAN_STUDIO_SCORE
    return float("nan")


def _score_ceiling(photo: CleanPhoto, worst_severity: float) -> float:
    """A fault over the whole photo costs at least a third of a point at full severity."""
    if worst_severity == 0.0 or not photo.trusted:
        return float("nan")
    return (photo.mos or 0.75) - 0.35 * worst_severity
