"""Versions of one clean photo, untouched and spoilt in many ways, as features of a fixed backbone.

A backbone that does not learn need see a picture only once: its features are computed beforehand,
in parts that a run that was stopped goes on from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from packshot.errors import TrainingError
from packshot.imaging.views import fragments, global_view
from packshot.models.quality import QualityNet
from packshot.training.degradations import FAULTS
from packshot.training.quality.photos import CleanPhoto, PixelArray
from packshot.training.quality.samples import NO_FAULT, Augmentation, augment, shrunk_clean

PHOTOS_PER_PART = 40
_FAULT_INDEX = {fault.name: index for index, fault in enumerate(FAULTS)}


@dataclass(frozen=True, kw_only=True)
class VersionsConfig:
    """Which photos are drawn, and which versions are made of each.

    Attributes:
        attribute: The attribute whose faults are ``graded``.
        photos: How many are drawn; one may be drawn again, cropped otherwise.
        graded: How many versions with each of these faults: severities spread over 0-1.
        others: Versions with one fault of another attribute each.
        least_severity: Severities below this are raised to it.
        source_weights: How often each source of clean photos is drawn.
        augmentation: Applied once to a photo, before its versions are made.
        seed: Of everything drawn.
    """

    attribute: str = "colour"
    photos: int = 1600
    graded: tuple[tuple[str, int], ...] = (
        ("under_saturation", 4),
        ("over_saturation", 3),
        ("colour_cast", 2),
    )
    others: int = 2
    least_severity: float = 0.04
    source_weights: tuple[tuple[str, float], ...] = (
        ("biq2021", 0.6),
        ("studio", 0.15),
        ("bsds", 0.1),
        ("seller_photos", 0.15),
    )
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0

    def __post_init__(self) -> None:
        own = [fault.name for fault in FAULTS if fault.attribute == self.attribute]
        wrong = [pair for pair in self.graded if pair[0] not in own or pair[1] < 1]
        if wrong or not self.graded:
            raise ValueError(
                f"graded must name faults of {self.attribute} ({', '.join(own)}) and how often,"
                f" got {wrong or 'none'}"
            )
        if self.photos < 1 or not 0 <= self.others <= len(FAULTS) - len(own):
            raise ValueError(
                f"photos must be positive and others at most {len(FAULTS) - len(own)},"
                f" got {self.photos} and {self.others}"
            )


@dataclass(frozen=True, kw_only=True)
class Versions:
    """One photo's versions, the untouched one first.

    Attributes:
        pictures: [H, W, 3] uint8, sRGB, each.
        position: Where the fragments are taken, the same for all.
        faults: Index of each version's fault in ``FAULTS``, ``NO_FAULT`` of the first.
        severities: Of the faults, 0-1.
        trusted: Whether the photo has no fault of its own.
    """

    pictures: tuple[PixelArray, ...]
    position: tuple[float, float]
    faults: tuple[int, ...]
    severities: tuple[float, ...]
    trusted: bool


@dataclass(frozen=True, kw_only=True)
class VersionFeatures:
    """Features of the versions of many photos.

    Attributes:
        features: [photos, versions, F] float32, as ``QualityNet.features`` pools them.
        faults: [photos, versions] int64, indices in ``FAULTS`` or ``NO_FAULT``.
        severities: [photos, versions] float32, 0-1.
        trusted: [photos] bool.
    """

    features: Tensor
    faults: Tensor
    severities: Tensor
    trusted: Tensor


def draw_versions(
    clean: dict[str, list[CleanPhoto]], config: VersionsConfig, number: int
) -> Versions:
    """The versions of the ``number``-th photo drawn: the same for the same configuration."""
    rng = np.random.default_rng((config.seed, number))
    names, weights = zip(*config.source_weights, strict=True)
    source = clean[str(rng.choice(names, p=np.array(weights) / sum(weights)))]
    photo = source[int(rng.integers(len(source)))]
    image = augment(shrunk_clean(photo, rng), config.augmentation, rng)
    position = (float(rng.random()), float(rng.random()))
    # A curve must not jump because a draw within the fault changed.
    fault_seed = int(rng.integers(2**31))
    pictures, faults, severities = [image], [NO_FAULT], [0.0]

    def add(fault: int, severity: float) -> None:
        spoil_rng = np.random.default_rng(fault_seed)
        pictures.append(FAULTS[fault].apply(image, severity, spoil_rng))
        faults.append(fault)
        severities.append(severity)

    for name, count in config.graded:
        for severity in (np.arange(count) + rng.random(count)) / count:
            add(_FAULT_INDEX[name], max(config.least_severity, float(severity)))
    foreign = [i for i, fault in enumerate(FAULTS) if fault.attribute != config.attribute]
    for index in rng.choice(foreign, config.others, replace=False):
        add(int(index), float(rng.uniform(0.05, 1.0)))
    return Versions(
        pictures=tuple(pictures),
        position=position,
        faults=tuple(faults),
        severities=tuple(severities),
        trusted=photo.trusted,
    )


def version_features(
    network: QualityNet,
    clean: dict[str, list[CleanPhoto]],
    config: VersionsConfig,
    folder: Path,
    *,
    report: Callable[[int, int], None] = lambda _done, _photos: None,
) -> VersionFeatures:
    """Features of all photos' versions; parts that ``folder`` holds already are not made again.

    Args:
        network: Its backbone computes them.
        clean: Clean photos by source.
        config: What is drawn.
        folder: Gets a file for each 40 photos.
        report: Called with how many photos are done, of how many.

    Raises:
        TrainingError: A part is not one of ours, or damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[dict[str, npt.NDArray[np.generic]]] = []
    for start in range(0, config.photos, PHOTOS_PER_PART):
        path = folder / f"versions_{start:05d}.npz"
        stop = min(start + PHOTOS_PER_PART, config.photos)
        if not path.is_file():
            drawn = [draw_versions(clean, config, number) for number in range(start, stop)]
            _write_part(path, network, drawn)
        parts.append(_read_part(path))
        report(stop, config.photos)

    def joined(name: str) -> Tensor:
        return torch.from_numpy(np.concatenate([part[name] for part in parts]))

    return VersionFeatures(
        features=joined("features").float(),
        faults=joined("faults"),
        severities=joined("severities"),
        trusted=joined("trusted"),
    )


@torch.inference_mode()
def _write_part(path: Path, network: QualityNet, drawn: Sequence[Versions]) -> None:
    features = []
    for versions in drawn:
        views = [global_view(picture) for picture in versions.pictures]
        mosaics = [fragments(picture, versions.position) for picture in versions.pictures]
        pooled, _ = network.features(
            torch.from_numpy(np.stack(views)), torch.from_numpy(np.stack(mosaics))
        )
        features.append(pooled.half().numpy())
    partial = path.with_suffix(".partial")
    with partial.open("wb") as stream:
        np.savez(
            stream,
            features=np.stack(features),
            faults=np.array([versions.faults for versions in drawn], np.int64),
            severities=np.array([versions.severities for versions in drawn], np.float32),
            trusted=np.array([versions.trusted for versions in drawn]),
        )
    partial.replace(path)


def _read_part(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as part:
            return {name: part[name] for name in ("features", "faults", "severities", "trusted")}
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise TrainingError(
            f"{path} is not a part of ours, or damaged ({error}); delete it to have it made again"
        ) from error
