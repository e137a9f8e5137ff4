"""Several faults on one photo, as sellers' photos have them: mild to plain, in any order.

Single faults are those of ``packshot.training.degradations``. A chain is drawn once and can then be
applied to a window of a photo and to its thumbnail alike: faults of tone are look-up tables, and
to compare a window's tone with its thumbnail's takes only those.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from packshot.training.degradations import FAULTS

PixelArray = npt.NDArray[np.uint8]

_BY_NAME = {fault.name: fault for fault in FAULTS}
_RAMP = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)


@dataclass(frozen=True, kw_only=True)
class FaultGroup:
    """Faults of which a photo has at most one.

    Attributes:
        name: What it is called in reports.
        chance: How often a photo has one.
        faults: Names in ``degradations.FAULTS``, and lowest and highest severity of each.
        tonal: Whether they change each pixel by its value alone.
    """

    name: str
    chance: float
    faults: tuple[tuple[str, float, float], ...]
    tonal: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.chance <= 1.0:
            raise ValueError(f"chance must be 0-1, got {self.chance}")
        unknown = [name for name, _, _ in self.faults if name not in _BY_NAME]
        if unknown or not self.faults:
            raise ValueError(f"faults must be among {sorted(_BY_NAME)}, got {unknown or 'none'}")
        if any(not 0.0 <= low <= high <= 1.0 for _, low, high in self.faults):
            raise ValueError(f"severities must rise within 0-1, got {self.faults}")


SELLER_FAULTS: tuple[FaultGroup, ...] = (
    # A third of a stop is hardly seen; phones meter wrong by up to a stop and a half.
    FaultGroup(
        name="exposure",
        chance=0.4,
        faults=(("under_exposure", 0.08, 0.33), ("over_exposure", 0.08, 0.30)),
        tonal=True,
    ),
    # Lamps of another colour than the camera supposes: up to half a stop between channels.
    FaultGroup(name="colour cast", chance=0.35, faults=(("colour_cast", 0.1, 0.4),), tonal=True),
    # A hazy lens or a window behind the product: up to a third of the range lost.
    FaultGroup(name="contrast", chance=0.3, faults=(("low_contrast", 0.1, 0.4),), tonal=True),
    # Up to 2 px of defocus, 5 px of shake.
    FaultGroup(
        name="blur",
        chance=0.4,
        faults=(
            ("gaussian_blur", 0.02, 0.22),
            ("defocus_blur", 0.03, 0.25),
            ("motion_blur", 0.03, 0.22),
        ),
    ),
    # Grain of a phone indoors: standard deviation of 2.5 to 13 grey levels, or 620 to 145 photons.
    FaultGroup(
        name="noise",
        chance=0.5,
        faults=(("gaussian_noise", 0.1, 0.4), ("poisson_noise", 0.1, 0.4)),
    ),
    # An app that kept a smaller picture.
    FaultGroup(name="resampling", chance=0.15, faults=(("upscaled_from_small", 0.02, 0.12),)),
    # Messengers and market places compress; JPEG quality 78 to 22.
    FaultGroup(
        name="compression",
        chance=0.5,
        faults=(("jpeg_compression", 0.1, 0.6), ("webp_compression", 0.1, 0.5)),
    ),
    # And compress again.
    FaultGroup(name="second compression", chance=0.25, faults=(("jpeg_compression", 0.05, 0.4),)),
)
"""Faults of real sellers' photos, how often and how strong; applied in shuffled order."""

TONAL_FAULTS = frozenset(
    name for group in SELLER_FAULTS if group.tonal for name, _, _ in group.faults
)
"""Those of light and colour."""

THUMBNAIL_FAULTS: tuple[FaultGroup, ...] = (
    *(group for group in SELLER_FAULTS if group.tonal),
    FaultGroup(name="blur", chance=0.35, faults=(("gaussian_blur", 0.0, 0.15),)),
    FaultGroup(
        name="noise",
        chance=0.5,
        faults=(("gaussian_noise", 0.04, 0.2), ("poisson_noise", 0.04, 0.2)),
    ),
    FaultGroup(name="compression", chance=0.3, faults=(("jpeg_compression", 0.05, 0.4),)),
)
"""What a thumbnail shows of them: light and colour in full, and of the others what shrinking to
half the size leaves, which moves its darkest and brightest pixels."""


@dataclass(frozen=True, kw_only=True)
class _Step:
    fault: str
    severity: float
    seed: int
    table: PixelArray | None

    def apply(self, image: PixelArray) -> PixelArray:
        if self.table is not None:
            return np.asarray(cv2.LUT(image, self.table), np.uint8)
        return _BY_NAME[self.fault].apply(image, self.severity, np.random.default_rng(self.seed))


@dataclass(frozen=True)
class FaultChain:
    """Faults with their severities, in the order in which they are applied."""

    steps: tuple[_Step, ...]

    def apply(self, image_hwc_u8: PixelArray) -> PixelArray:
        """All faults on a [H, W, 3] uint8 picture."""
        for step in self.steps:
            image_hwc_u8 = step.apply(image_hwc_u8)
        return image_hwc_u8

    def apply_tone(self, thumbnail_hwc_u8: PixelArray) -> PixelArray:
        """Only the faults that a thumbnail shows."""
        for step in self.steps:
            if step.table is not None:
                thumbnail_hwc_u8 = step.apply(thumbnail_hwc_u8)
        return thumbnail_hwc_u8

    @property
    def faults(self) -> tuple[tuple[str, float], ...]:
        """Name and severity of each, in order."""
        return tuple((step.fault, step.severity) for step in self.steps)


def draw_chain(
    rng: np.random.Generator,
    *,
    minimum: int = 2,
    groups: tuple[FaultGroup, ...] = SELLER_FAULTS,
) -> FaultChain:
    """Draw faults, severities and order; at least ``minimum`` faults.

    Raises:
        ValueError: More faults are asked for than there are groups.
    """
    if minimum > len(groups):
        raise ValueError(f"minimum must be at most {len(groups)}, got {minimum}")
    chances = np.array([group.chance for group in groups])
    chosen = rng.random(len(groups)) < chances
    while chosen.sum() < minimum:
        chosen = rng.random(len(groups)) < chances
    order = [int(index) for index in rng.permutation(np.flatnonzero(chosen))]
    return FaultChain(tuple(_draw_step(groups[index], rng) for index in order))


def _draw_step(group: FaultGroup, rng: np.random.Generator) -> _Step:
    name, low, high = group.faults[int(rng.integers(len(group.faults)))]
    severity, seed = float(rng.uniform(low, high)), int(rng.integers(2**31))
    table = None
    if group.tonal:
        table = _BY_NAME[name].apply(_RAMP, severity, np.random.default_rng(seed))
    return _Step(fault=name, severity=severity, seed=seed, table=table)
