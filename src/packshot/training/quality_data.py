"""Training data of the quality network: human scores, and faults applied to clean photos."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from packshot.contracts import GRID, LEARNED_ATTRIBUTES, PATCH_SIZE
from packshot.errors import TrainingError
from packshot.imaging.views import fragments, global_view
from packshot.training.degradations import FAULTS, Fault

PixelArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class LabelledPhoto:
    """A photo with its mean opinion score, 0-1."""

    path: Path
    mos: float


@dataclass(frozen=True, kw_only=True)
class CleanPhoto:
    """A photo to apply faults to.

    Attributes:
        path: JPEG file.
        mos: Its mean opinion score, 0-1, where people gave one.
        trusted: Free of faults: attributes other than the applied fault's are trained to 1.
    """

    path: Path
    mos: float | None
    trusted: bool


@dataclass(frozen=True, kw_only=True)
class Split:
    """BIQ2021 photos, divided once and for all by ``split_biq2021``."""

    train: tuple[LabelledPhoto, ...]
    validation: tuple[LabelledPhoto, ...]
    test: tuple[LabelledPhoto, ...]


VALIDATION_SHARE = 0.05
TEST_SHARE = 0.15
SPLIT_SEED = 2021


def split_biq2021(folder: Path) -> Split:
    """Divide the official training photos: 80 % train, 5 % validation, 15 % test.

    Stratified by subset (ss01, ss02, ss03). Validation is for early stopping; nothing is chosen
    by the test part.

    Raises:
        TrainingError: Labels or photos are missing.
    """
    labels = folder / "mos.csv"
    if not labels.is_file():
        raise TrainingError(f"no labels at {labels}; expected a CSV with the columns file,mos")
    with labels.open(newline="") as stream:
        photos = [
            LabelledPhoto(path=folder / "images" / row["file"], mos=float(row["mos"]))
            for row in csv.DictReader(stream)
        ]
    missing = [str(photo.path) for photo in photos if not photo.path.is_file()]
    if missing:
        raise TrainingError(f"{len(missing)} labelled photos are missing, first: {missing[:3]}")
    parts: tuple[list[LabelledPhoto], ...] = ([], [], [])
    rng = np.random.default_rng(SPLIT_SEED)
    for subset in sorted({photo.path.name[:4] for photo in photos}):
        members = sorted((p for p in photos if p.path.name[:4] == subset), key=lambda p: p.path)
        order = rng.permutation(len(members))
        test_end = round(len(members) * TEST_SHARE)
        validation_end = test_end + round(len(members) * VALIDATION_SHARE)
        for rank, index in enumerate(order):
            part = 2 if rank < test_end else 1 if rank < validation_end else 0
            parts[part].append(members[index])
    return Split(train=tuple(parts[0]), validation=tuple(parts[1]), test=tuple(parts[2]))


def clean_photos(data: Path, labelled: Sequence[LabelledPhoto]) -> dict[str, list[CleanPhoto]]:
    """Photos to apply faults to, by source: well-liked BIQ2021 ones, studio, BSDS and sellers'.

    Every tenth file of the three unlabelled sources is kept back for evaluation
    (``held_back_photos``).
    """
    liked = [p for p in labelled if p.mos >= 0.7 and p.path.name.startswith("ss03")]
    sources = {
        "biq2021": [CleanPhoto(path=p.path, mos=p.mos, trusted=True) for p in liked],
        "studio": _unlabelled(data / "studio", trusted=True),
        "bsds": _unlabelled(data / "bsds", trusted=True),
        "seller_photos": _unlabelled(data / "seller_photos", trusted=False),
    }
    empty = [name for name, photos in sources.items() if not photos]
    if empty:
        raise TrainingError(f"no photos found under {data} for: {', '.join(empty)}")
    return sources


def _unlabelled(folder: Path, *, trusted: bool) -> list[CleanPhoto]:
    files = sorted(folder.rglob("*.jpg"))
    return [
        CleanPhoto(path=path, mos=None, trusted=trusted)
        for index, path in enumerate(files)
        if index % 10 != 0
    ]


def held_back_photos(folder: Path) -> list[Path]:
    """The files of an unlabelled source that ``clean_photos`` never trains on."""
    return sorted(folder.rglob("*.jpg"))[::10]


def read_photo(path: Path) -> PixelArray:
    """Decode a JPEG to [H, W, 3] uint8 sRGB."""
    return np.asarray(simplejpeg.decode_jpeg(path.read_bytes(), colorspace="RGB"), np.uint8)


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
    """

    global_view: PixelArray
    fragments: PixelArray
    mos: float
    score_floor: float
    score_ceiling: float
    attributes: npt.NDArray[np.float32]
    quality_map: npt.NDArray[np.float32]


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
    photo: CleanPhoto, augmentation: Augmentation, rng: np.random.Generator
) -> Sample:
    """A clean photo with no fault (15 %), one (60 %) or two, one third of them in a region only."""
    image = read_photo(photo.path)
    # Shrinking a little hides whatever noise and blocks the "clean" photo still has.
    scale = rng.uniform(0.55, 0.8) if not photo.trusted else rng.uniform(0.6, 1.0)
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    image = augment(image, augmentation, rng)
    position = (float(rng.random()), float(rng.random()))

    chosen = _draw_faults(rng)
    severities = {fault.name: float(rng.uniform(0.05, 1.0)) for fault in chosen}
    mask = _region_mask(image.shape[:2], rng) if chosen and rng.random() < 0.33 else None
    faulty = image
    for fault in chosen:
        faulty = fault.apply(faulty, severities[fault.name], rng)
    if mask is not None:
        faulty = np.where(mask[..., None] > 0, faulty, image)
    coverage = _patch_coverage(mask, position, image.shape[:2])

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
    )


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


def _region_mask(shape: tuple[int, int], rng: np.random.Generator) -> PixelArray:
    """A random ellipse or rectangle over a fifth to two thirds of the frame, 255 inside."""
    height, width = shape
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
    mask: PixelArray | None, position: tuple[float, float], shape: tuple[int, int]
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
        return 0.65
    return float("nan")


def _score_ceiling(photo: CleanPhoto, worst_severity: float) -> float:
    """A fault over the whole photo costs at least a third of a point at full severity."""
    if worst_severity == 0.0 or not photo.trusted:
        return float("nan")
    return (photo.mos or 0.75) - 0.35 * worst_severity


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A stacked batch of ``Sample``: tensors with a leading [N]."""

    global_view: Tensor
    fragments: Tensor
    mos: Tensor
    score_floor: Tensor
    score_ceiling: Tensor
    attributes: Tensor
    quality_map: Tensor


def stack(samples: Sequence[Sample]) -> Batch:
    """Stack samples into one batch."""

    def stacked(field: str) -> Tensor:
        return torch.from_numpy(np.stack([getattr(sample, field) for sample in samples]))

    return Batch(
        global_view=stacked("global_view"),
        fragments=stacked("fragments"),
        mos=stacked("mos").float(),
        score_floor=stacked("score_floor").float(),
        score_ceiling=stacked("score_ceiling").float(),
        attributes=stacked("attributes"),
        quality_map=stacked("quality_map"),
    )


@dataclass(frozen=True, kw_only=True)
class MixConfig:
    """What a training batch is made of.

    Attributes:
        labelled: Photos with human scores in a batch.
        faulty: Clean photos with faults in a batch.
        source_weights: How often each source of clean photos is drawn.
    """

    labelled: int = 16
    faulty: int = 8
    source_weights: tuple[tuple[str, float], ...] = (
        ("biq2021", 0.62),
        ("studio", 0.2),
        ("bsds", 0.08),
        ("seller_photos", 0.1),
    )

    def __post_init__(self) -> None:
        if self.labelled < 2 or self.faulty < 0:
            raise ValueError(
                "a batch needs at least 2 labelled photos (a correlation is one of its losses) and"
                f" no negative number of faulty ones, got {self.labelled} and {self.faulty}"
            )


class MixedDataset(Dataset[Sample]):
    """Labelled photos first, then slots for faulty ones.

    A sample depends only on (seed, epoch, index), so that a resumed training sees the same data.
    """

    def __init__(
        self,
        labelled: Sequence[LabelledPhoto],
        clean: dict[str, list[CleanPhoto]],
        mix: MixConfig,
        augmentation: Augmentation,
        seed: int,
    ) -> None:
        self.labelled = labelled
        self.clean = clean
        self.mix = mix
        self.augmentation = augmentation
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.labelled) * (self.mix.labelled + self.mix.faulty) // self.mix.labelled

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng((self.seed, self.epoch, index))
        if index < len(self.labelled):
            return labelled_sample(self.labelled[index], self.augmentation, rng)
        names, weights = zip(*self.mix.source_weights, strict=True)
        source = self.clean[str(rng.choice(names, p=np.array(weights) / sum(weights)))]
        return faulty_sample(source[int(rng.integers(len(source)))], self.augmentation, rng)


class MixedBatches(Sampler[list[int]]):
    """Index batches of ``MixedDataset``: each holds the mix's share of both kinds."""

    def __init__(self, dataset: MixedDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset.labelled) // self.dataset.mix.labelled

    def __iter__(self) -> Iterator[list[int]]:
        mix = self.dataset.mix
        count = len(self.dataset.labelled)
        rng = np.random.default_rng((self.dataset.seed, self.dataset.epoch))
        order = rng.permutation(count)
        for number in range(len(self)):
            labelled = order[number * mix.labelled : (number + 1) * mix.labelled]
            first_faulty = count + number * mix.faulty
            yield [*map(int, labelled), *range(first_faulty, first_faulty + mix.faulty)]


def mixed_loader(dataset: MixedDataset, *, workers: int) -> DataLoader[Batch]:
    """Loader of ``Batch`` over one epoch of ``dataset``."""
    return DataLoader(
        dataset, batch_sampler=MixedBatches(dataset), collate_fn=stack, num_workers=workers
    )
