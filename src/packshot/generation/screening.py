"""Making candidates until enough of them are good, with a bound on how many are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from packshot.generation.latents import latents
from packshot.generation.requests import GenerationRequest

PixelArray = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

CHUNK: Final = 8
"""Most candidates in one call of the networks: what the upscaling networks take."""

TRIES_A_PICTURE: Final = 8
"""Candidates made for each picture wanted, before screening gives up."""


@dataclass(frozen=True, kw_only=True)
class GenerationNetworks:
    """The networks, as functions on arrays.

    Attributes:
        generate: Latents [N, 128] float32, categories [N, 1] int32 and truncations [N, 1] float32
            to [N, 64, 64, 3] uint8, sRGB.
        enlarge: Pictures [N, 64, 64, 3] uint8 and a scale of 2 or 4 to pictures of scale * 64.
        score: Pictures [N, H, W, 3] uint8 to [N] scores, 0-100.
    """

    generate: Callable[[FloatArray, IntArray, FloatArray], PixelArray]
    enlarge: Callable[[PixelArray, int], PixelArray]
    score: Callable[[PixelArray], FloatArray]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """A picture that was good enough.

    Attributes:
        pixels_hwc_u8: [H, W, 3] uint8, sRGB, not marked yet.
        seed: Its own.
        score: 0-100; None where it was not asked for.
        tries: Candidates made for it: those refused since the one before, and itself.
    """

    pixels_hwc_u8: PixelArray
    seed: int
    score: float | None
    tries: int


class Screening:
    """One request on its way: iterate for its samples, in the order of their seeds.

    What comes out does not depend on how candidates are grouped into calls.

    Args:
        request: What is wanted.
        networks: What makes and judges pictures.
        tries_a_picture: Candidates for each picture wanted, where pictures are screened.
        is_cancelled: Asked before every call of the networks.

    Attributes:
        tried: Candidates judged so far.
        returned: Samples given so far.
        best_refused: Highest score among those held back; None where none was.
    """

    def __init__(
        self,
        request: GenerationRequest,
        networks: GenerationNetworks,
        *,
        tries_a_picture: int = TRIES_A_PICTURE,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.request = request
        self.tried = 0
        self.returned = 0
        self.best_refused: float | None = None
        self._networks = networks
        self._limit = request.tries(tries_a_picture)
        self._is_cancelled = is_cancelled

    def __iter__(self) -> Iterator[Sample]:
        request = self.request
        since_last = 0
        while self.returned < request.count and self.tried < self._limit:
            if self._is_cancelled():
                return
            missing = request.count - self.returned
            size = min(CHUNK, missing, self._limit - self.tried)
            first = request.seed + self.tried
            pictures, scores = self._candidates(range(first, first + size))
            for index, pixels in enumerate(pictures):
                score = None if scores is None else float(scores[index])
                self.tried += 1
                since_last += 1
                if self._is_good(score):
                    self.returned += 1
                    seed, tries, since_last = first + index, since_last, 0
                    yield Sample(pixels_hwc_u8=pixels, seed=seed, score=score, tries=tries)

    def _candidates(self, seeds: range) -> tuple[PixelArray, FloatArray | None]:
        request, count = self.request, len(seeds)
        pictures = self._networks.generate(
            latents(seeds),
            np.full((count, 1), request.category_number, np.int32),
            np.full((count, 1), request.truncation, np.float32),
        )
        if request.scale != 1:
            pictures = self._networks.enlarge(pictures, request.scale)
        return pictures, None if request.min_score is None else self._networks.score(pictures)

    def _is_good(self, score: float | None) -> bool:
        if score is None or self.request.min_score is None or score >= self.request.min_score:
            return True
        self.best_refused = max(score, self.best_refused or 0.0)
        return False
