"""Batches of the quality network: photos with human scores and spoilt ones, in a fixed mix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from packshot.training.quality.photos import CleanPhoto, LabelledPhoto
from packshot.training.quality.samples import (
    Augmentation,
    Sample,
    faulty_sample,
    labelled_sample,
)


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
    only_fault: Tensor
    pair: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return Batch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


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
        only_fault=stacked("only_fault").long(),
        pair=stacked("pair").long(),
    )


@dataclass(frozen=True, kw_only=True)
class MixConfig:
    """What a training batch is made of.

    Attributes:
        labelled: Photos with human scores in a batch.
        faulty: Clean photos with faults in a batch.
        paired: Whether faulty photos come in twos that differ in nothing but the severity.
        source_weights: How often each source of clean photos is drawn.
    """

    labelled: int = 16
    faulty: int = 8
    paired: bool = False
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
        if self.paired and self.faulty % 2:
            raise ValueError(f"pairs need an even number of faulty photos, got {self.faulty}")


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
        if index < len(self.labelled):
            rng = np.random.default_rng((self.seed, self.epoch, index))
            return labelled_sample(self.labelled[index], self.augmentation, rng)
        if not self.mix.paired:
            return self._faulty_sample(index, None)
        number = index - len(self.labelled)
        severity_rng = np.random.default_rng((self.seed, self.epoch, index, 1))
        return replace(self._faulty_sample(index - number % 2, severity_rng), pair=number // 2)

    def _faulty_sample(self, index: int, severity_rng: np.random.Generator | None) -> Sample:
        rng = np.random.default_rng((self.seed, self.epoch, index))
        names, weights = zip(*self.mix.source_weights, strict=True)
        source = self.clean[str(rng.choice(names, p=np.array(weights) / sum(weights)))]
        photo = source[int(rng.integers(len(source)))]
        return faulty_sample(photo, self.augmentation, rng, severity_rng)


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


def mixed_loader(dataset: MixedDataset, *, workers: int) -> DataLoader[Any]:
    """Loader of ``Batch``, over one epoch of ``dataset``."""
    return DataLoader(
        dataset, batch_sampler=MixedBatches(dataset), collate_fn=stack, num_workers=workers
    )
