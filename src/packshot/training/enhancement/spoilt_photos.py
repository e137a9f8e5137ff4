"""Batches of spoilt photos: thumbnails for the tone branch, windows for the detail branch.

The two are learned apart. How dark a photo should be is partly a guess, and in a window that error
is far larger than noise or blur: a detail branch that is compared with the original hardly learns
anything but to guess at tone. It is therefore compared with the original at the *tone it is given*:
the photo with its faults of tone alone, mended as far as the window was. What is left between the
two is noise, blur, blocks and lost resolution.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from packshot.enhancement.restoration import FloatArray, apply_tone_matrix, tone_matrix
from packshot.imaging.views import global_view
from packshot.models.restoration import TONE_TERMS
from packshot.training.enhancement.drawings import draw_print
from packshot.training.enhancement.fault_chains import THUMBNAIL_FAULTS, FaultChain, draw_chain
from packshot.training.enhancement.photos import shares, training_photos
from packshot.training.enhancement.restore_recipes import RestoreRecipe
from packshot.training.enhancement.trainer import Pictures

PixelArray = npt.NDArray[np.uint8]

_MARGIN = 16
# Enough to fit a tone to, and a sixteenth of a thumbnail's time.
_FITTED_SIDE = 56
_STRENGTH_OF_TONE = (0.3, 1.1)
_WRONG_TONE = 0.3
_WRONG_GAIN = (0.85, 1.2)
# Of a thumbnail's sides that are seen at least: more photos than there are.
_LEAST_PART = 0.75


class SpoiltPhotos(Dataset[Pictures]):
    """Batches for the branch that the recipe trains, [N, H, W, 3] uint8 sRGB each.

    For the tone branch: (spoilt thumbnail, clean thumbnail). For the detail branch: (spoilt window,
    the same toned, what detail should make of it). All photos are held in memory. A batch depends
    only on (seed, index).

    Args:
        recipe: Photos, faults, sizes and seed.
        data: Folder of the recipe's sources.

    Raises:
        TrainingError: Photos are missing or too small.
    """

    def __init__(self, recipe: RestoreRecipe, data: Path) -> None:
        self.recipe = recipe
        smallest = 1 if recipe.tone_only else recipe.patch + _MARGIN
        images = [training_photos(data, source, smallest=smallest) for source in recipe.sources]
        shrink = global_view if recipe.tone_only else _small
        self.thumbnails = [[shrink(image) for image in source] for source in images]
        self.images = [] if recipe.tone_only else images
        self.shares = shares(recipe.sources)

    def __len__(self) -> int:
        return self.recipe.plan.steps

    def __getitem__(self, index: int) -> Pictures:
        rng = np.random.default_rng((self.recipe.plan.seed, index))
        samples = [self._sample(rng) for _ in range(self.recipe.plan.batch)]
        return tuple(torch.from_numpy(np.stack(part)) for part in zip(*samples, strict=True))

    def _sample(self, rng: np.random.Generator) -> tuple[PixelArray, ...]:
        source = int(rng.choice(len(self.shares), p=self.shares))
        number = int(rng.integers(len(self.thumbnails[source])))
        thumbnail = self.thumbnails[source][number]
        clean, minimum = rng.random() < self.recipe.clean, self.recipe.minimum_faults
        chain = FaultChain(())
        if self.recipe.tone_only:
            thumbnail = _part(thumbnail, rng)
            if not clean:
                chain = draw_chain(rng, minimum=minimum, groups=THUMBNAIL_FAULTS)
            return chain.apply(thumbnail), thumbnail
        if not clean:
            chain = draw_chain(rng, minimum=minimum)
        image = self.images[source][number]
        if rng.random() < self.recipe.drawn:
            image = draw_print(self.recipe.patch + _MARGIN, rng)
            thumbnail = _small(image)
        matrix = _given_tone(tone_matrix(chain.apply_tone(thumbnail), thumbnail), rng)
        return self._windows(image, chain, matrix, rng)

    def _windows(
        self, image: PixelArray, chain: FaultChain, matrix: FloatArray, rng: np.random.Generator
    ) -> tuple[PixelArray, ...]:
        """A window, spoilt with a margin around it, so that no blur sees the cut."""
        side = self.recipe.patch + _MARGIN
        clean = _cut(image, side, rng)
        turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
        clean = np.ascontiguousarray(np.rot90(clean[:, ::-1] if mirror else clean, turns))
        # The cut is random within the margin, so that JPEG's blocks lie anywhere.
        start = rng.integers(4, _MARGIN - 3, size=2)
        window = tuple(slice(int(s), int(s) + self.recipe.patch) for s in start)
        spoilt = chain.apply(clean)[window]
        wanted = chain.apply_tone(clean[window])
        return spoilt, apply_tone_matrix(spoilt, matrix), apply_tone_matrix(wanted, matrix)


def _part(thumbnail: PixelArray, rng: np.random.Generator) -> PixelArray:
    """Most of a thumbnail, enlarged to its size, at times mirrored."""
    side = len(thumbnail)
    height, width = (int(side * share) for share in rng.uniform(_LEAST_PART, 1.0, size=2))
    top, left = rng.integers(side + 1 - height), rng.integers(side + 1 - width)
    part = cv2.resize(thumbnail[top : top + height, left : left + width], (side, side))
    return np.ascontiguousarray(part[:, ::-1] if rng.integers(2) else part, np.uint8)


def _small(image_hwc_u8: PixelArray) -> PixelArray:
    size = (_FITTED_SIDE, _FITTED_SIDE)
    return np.asarray(cv2.resize(image_hwc_u8, size, interpolation=cv2.INTER_AREA), np.uint8)


def _given_tone(right: FloatArray, rng: np.random.Generator) -> FloatArray:
    """What a tone branch might give for the right matrix: less or more of it, often a bit wrong."""
    identity = np.eye(3, TONE_TERMS, dtype=np.float32)
    matrix = identity + rng.uniform(*_STRENGTH_OF_TONE) * (right - identity)
    if rng.random() < _WRONG_TONE:
        matrix *= rng.uniform(*_WRONG_GAIN, (3, 1))
    return np.asarray(matrix, np.float32)


def _cut(image: PixelArray, side: int, rng: np.random.Generator) -> PixelArray:
    top = int(rng.integers(image.shape[0] - side + 1))
    left = int(rng.integers(image.shape[1] - side + 1))
    return image[top : top + side, left : left + side]
