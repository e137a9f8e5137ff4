"""Faults of seller photos, applied on purpose: each with a severity from 0 to 1.

A fault belongs to the attribute it should lower. Severity 0 leaves the picture alone, 0.5 is
plain to see, 1 makes the photo useless. All functions take and return [H, W, 3] uint8 sRGB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

PixelArray = npt.NDArray[np.uint8]
Apply = Callable[[PixelArray, float, np.random.Generator], PixelArray]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault: its name, the attribute it lowers, and the function that applies it."""

    name: str
    attribute: str
    apply: Apply


def _to_u8(image: npt.NDArray[np.floating[Any]]) -> PixelArray:
    return np.asarray(np.clip(np.rint(image), 0, 255), np.uint8)


# sRGB transfer function of IEC 61966-2-1; exposure happens in linear light.
_CODES = np.arange(256, dtype=np.float32) / np.float32(255.0)
_LINEAR = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4)


def _to_linear(image: PixelArray) -> npt.NDArray[np.float32]:
    return np.asarray(_LINEAR[image], np.float32)


def _from_linear(linear: npt.NDArray[np.float32]) -> PixelArray:
    clipped = np.clip(linear, 0.0, 1.0)
    encoded = np.where(
        clipped <= 0.0031308, clipped * 12.92, 1.055 * np.power(clipped, 1 / 2.4) - 0.055
    )
    return _to_u8(encoded * 255.0)


def gaussian_blur(image: PixelArray, severity: float, _: np.random.Generator) -> PixelArray:
    """Gaussian blur, sigma up to 5 px."""
    sigma = 0.3 + 4.7 * severity**1.3
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def defocus_blur(image: PixelArray, severity: float, _: np.random.Generator) -> PixelArray:
    """Blur by a disc (circle of confusion), radius up to 8 px."""
    radius = 0.6 + 7.4 * severity**1.3
    half = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def motion_blur(image: PixelArray, severity: float, rng: np.random.Generator) -> PixelArray:
    """Blur along a straight line at a random angle, up to 25 px long."""
    length = 1.5 + 23.5 * severity**1.3
    half = int(np.ceil(length / 2)) + 1
    angle = rng.uniform(0, np.pi)
    size = 2 * half + 1
    kernel = np.zeros((size * 4, size * 4), np.float32)
    centre = size * 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * length * 2
    start, end = (np.rint(centre + sign * reach).astype(int) for sign in (-1, 1))
    cv2.line(kernel, tuple(map(int, start)), tuple(map(int, end)), 1.0, thickness=4)
    kernel = cv2.resize(kernel, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def under_exposure(image: PixelArray, severity: float, _: np.random.Generator) -> PixelArray:
    """Up to 4.5 stops too dark, in linear light."""
    return _from_linear(_to_linear(image) * np.float32(2.0 ** (-4.5 * severity)))


def over_exposure(image: PixelArray, severity: float, _: np.random.Generator) -> PixelArray:
    """Up to 3 stops too bright, in linear light, highlights clipped."""
    return _from_linear(_to_linear(image) * np.float32(2.0 ** (3.0 * severity)))


def low_contrast(image: PixelArray, severity: float, _: np.random.Generator) -> PixelArray:
    """Tones drawn together around the mean, down to a tenth of the range."""
    values = image.astype(np.float32)
    mean = float(values.mean())
    return _to_u8((values - mean) * (1.0 - 0.9 * severity) + mean)


def colour_cast(image: PixelArray, severity: float, rng: np.random.Generator) -> PixelArray:
    """White balance wrong by up to 1.5 stops between channels, luminance kept."""
    angle = rng.uniform(0, 2 * np.pi)
    directions = np.array([0.0, 2 * np.pi / 3, 4 * np.pi / 3])
    gains = np.power(2.0, 1.1 * severity * np.cos(directions - angle))
    gains /= float(gains @ np.array([0.2126, 0.7152, 0.0722]))
    return _from_linear(_to_linear(image) * gains.astype(np.float32))


def over_saturation(image: PixelArray, severity: float, _: np.random.Generator) -> PixelArray:
    """Chroma up to four times too strong."""
    return _scale_chroma(image, 1.0 + 3.0 * severity)


def under_saturation(image: PixelArray, severity: float, _: np.random.Generator) -> PixelArray:
    """Chroma down to none."""
    return _scale_chroma(image, 1.0 - severity)


def _scale_chroma(image: PixelArray, factor: float) -> PixelArray:
    values = image.astype(np.float32)
    luma = (values @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    return _to_u8(luma + (values - luma) * factor)


def gaussian_noise(image: PixelArray, severity: float, rng: np.random.Generator) -> PixelArray:
    """Additive white noise, sigma up to 50 grey levels, alike or independent in the channels."""
    sigma = 1.0 + 49.0 * severity**1.5
    channels = 1 if rng.random() < 0.3 else 3
    noise = rng.standard_normal((*image.shape[:2], channels), np.float32) * np.float32(sigma)
    return _to_u8(image + noise)


def poisson_noise(image: PixelArray, severity: float, rng: np.random.Generator) -> PixelArray:
    """Shot noise: variance in proportion to light, down to 8 photons at white."""
    photons = 8.0 * (1000.0 / 8.0) ** (1.0 - severity)
    # Normal approximation of Poisson: forty times faster and alike above a few photons.
    light = image.astype(np.float32) / 255.0
    noise = rng.standard_normal(image.shape, np.float32) * np.sqrt(light / np.float32(photons))
    return _to_u8((light + noise) * 255.0)


def jpeg_compression(image: PixelArray, severity: float, _: np.random.Generator) -> PixelArray:
    """JPEG at quality 92 down to 4."""
    quality = round(4 + 88 * (1.0 - severity) ** 1.7)
    return _recompress(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])


def webp_compression(image: PixelArray, severity: float, _: np.random.Generator) -> PixelArray:
    """Lossy WebP at quality 90 down to 1."""
    quality = round(1 + 89 * (1.0 - severity) ** 2)
    return _recompress(image, ".webp", [cv2.IMWRITE_WEBP_QUALITY, quality])


def _recompress(image: PixelArray, suffix: str, parameters: list[int]) -> PixelArray:
    ok, encoded = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), parameters)
    if not ok:
        raise ValueError(f"OpenCV could not encode {image.shape} as {suffix}")
    return np.asarray(
        cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8
    )


_ENLARGERS = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


def upscaled_from_small(image: PixelArray, severity: float, rng: np.random.Generator) -> PixelArray:
    """Shrunk by a factor of up to 6 and enlarged again."""
    height, width = image.shape[:2]
    factor = 1.1 + 4.9 * severity
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    enlarger = _ENLARGERS[int(rng.integers(len(_ENLARGERS)))]
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=enlarger), np.uint8)


# In the order a camera and a web shop would cause them: light, lens, sensor, file.
FAULTS: tuple[Fault, ...] = (
    Fault(name="under_exposure", attribute="exposure", apply=under_exposure),
    Fault(name="over_exposure", attribute="exposure", apply=over_exposure),
    Fault(name="gaussian_blur", attribute="sharpness", apply=gaussian_blur),
    Fault(name="defocus_blur", attribute="sharpness", apply=defocus_blur),
    Fault(name="motion_blur", attribute="sharpness", apply=motion_blur),
    Fault(name="gaussian_noise", attribute="noise", apply=gaussian_noise),
    Fault(name="poisson_noise", attribute="noise", apply=poisson_noise),
    Fault(name="low_contrast", attribute="contrast", apply=low_contrast),
    Fault(name="colour_cast", attribute="colour", apply=colour_cast),
    Fault(name="over_saturation", attribute="colour", apply=over_saturation),
    Fault(name="under_saturation", attribute="colour", apply=under_saturation),
    Fault(name="upscaled_from_small", attribute="resolution", apply=upscaled_from_small),
    Fault(name="jpeg_compression", attribute="compression", apply=jpeg_compression),
    Fault(name="webp_compression", attribute="compression", apply=webp_compression),
)
"""Every fault, in the order in which several are applied to one photo."""
