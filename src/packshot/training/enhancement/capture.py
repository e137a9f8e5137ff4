"""How a real small picture comes about: lens, shrinking software, sensor, file."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from packshot.training.enhancement.resampling import bicubic_shrink

PixelArray = npt.NDArray[np.uint8]

_SHRINKERS = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)


@dataclass(frozen=True, kw_only=True)
class PhotoCapture:
    """Blur, shrinking, noise and compression of small photos.

    Attributes:
        plain: Share of pictures shrunk by bicubic resampling and nothing else.
        largest_blur: Gaussian sigma of the lens, in pixels of the small picture.
        largest_read_noise: Standard deviation of the signal-independent noise, grey levels.
        largest_shot_noise: Standard deviation, at white, of the noise that grows with the root of
            light, grey levels.
        lowest_quality: Lowest quality of the JPEG or WebP file; the highest is 96.
        compressed: Share of the pictures that are not ``plain`` that are compressed.
    """

    plain: float = 0.2
    largest_blur: float = 0.7
    largest_read_noise: float = 4.0
    largest_shot_noise: float = 6.0
    lowest_quality: int = 40
    compressed: float = 0.8

    def __post_init__(self) -> None:
        if not (0.0 <= self.plain <= 1.0 and 0.0 <= self.compressed <= 1.0):
            raise ValueError(
                f"plain and compressed are shares of 0-1, got {self.plain} and {self.compressed}"
            )
        if not 1 <= self.lowest_quality <= 96:
            raise ValueError(f"lowest_quality must be 1-96, got {self.lowest_quality}")

    def small(self, large_hwc_u8: PixelArray, scale: int, rng: np.random.Generator) -> PixelArray:
        """A [H, W, 3] uint8 picture as a camera and a shop's software would have it small.

        Raises:
            ValueError: A side is no multiple of ``scale``.
        """
        if rng.random() < self.plain:
            return bicubic_shrink(large_hwc_u8, scale)
        image = large_hwc_u8
        sigma = self.largest_blur * scale * float(rng.random()) ** 1.5
        if sigma > 0.2:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
        image = self._shrunk(image, scale, rng)
        image = self._noisy(image, rng)
        if rng.random() < self.compressed:
            image = self._compressed(image, rng)
        return image

    def _shrunk(self, image: PixelArray, scale: int, rng: np.random.Generator) -> PixelArray:
        choice = int(rng.integers(len(_SHRINKERS) + 1))
        if choice == len(_SHRINKERS):
            return bicubic_shrink(image, scale)
        size = (image.shape[1] // scale, image.shape[0] // scale)
        return np.asarray(cv2.resize(image, size, interpolation=_SHRINKERS[choice]), np.uint8)

    def _noisy(self, image: PixelArray, rng: np.random.Generator) -> PixelArray:
        read = self.largest_read_noise * float(rng.random()) ** 2
        shot = self.largest_shot_noise * float(rng.random()) ** 2
        variance = read**2 + shot**2 * image.astype(np.float32) / np.float32(255.0)
        noise = rng.standard_normal(image.shape, np.float32) * np.sqrt(variance)
        return np.asarray(np.clip(np.rint(image + noise), 0, 255), np.uint8)

    def _compressed(self, image: PixelArray, rng: np.random.Generator) -> PixelArray:
        quality = int(rng.integers(self.lowest_quality, 97))
        suffix, option = (
            (".webp", cv2.IMWRITE_WEBP_QUALITY)
            if rng.random() < 0.2
            else (".jpg", cv2.IMWRITE_JPEG_QUALITY)
        )
        # Channel order does not matter to neither codec as long as it is OpenCV's own both ways.
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        encoded = cv2.imencode(suffix, bgr, [option, quality])[1]
        return np.asarray(
            cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8
        )
