"""Drawn prints: text, stripes and checks, as they are on products, and sharper than any photo.

Photos of sellers hold little of them at full sharpness, and a network that never saw a fine stripe
takes it for noise.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

PixelArray = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)
_LETTERS = "ABCDEFGHIKLMNOPRSTUVWXYZabcdefghiklmnoprstuvwxyz0123456789"
_PERIODS = (5.0, 28.0)
_HARDNESS = (1.0, 4.0)


def draw_print(side: int, rng: np.random.Generator) -> PixelArray:
    """A [side, side, 3] uint8 picture of cloth with stripes, checks or text."""
    cloth, ink = rng.integers(0, 256, (2, 3)).astype(np.float32)
    kind = int(rng.integers(3))
    share = _lines(side, rng) if kind < 2 else _text(side, rng)
    if kind == 1:
        share = share * _lines(side, rng)
    # Light falls from one side.
    top, bottom = rng.uniform(0.85, 1.0, 2)
    slope = np.linspace(top, bottom, side)[:, None, None]
    colours = share[..., None] * ink + (1.0 - share[..., None]) * cloth
    return np.asarray(np.rint(colours * slope).clip(0, 255), np.uint8)


def _lines(side: int, rng: np.random.Generator) -> FloatArray:
    """Parallel lines with soft edges, [side, side], 0-1."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    across = x * np.cos(angle) + y * np.sin(angle)
    wave = np.sin(2 * np.pi * across / rng.uniform(*_PERIODS) + phase)
    return np.asarray(0.5 + 0.5 * np.tanh(rng.uniform(*_HARDNESS) * wave), np.float32)


def _text(side: int, rng: np.random.Generator) -> FloatArray:
    """Lines of random letters, [side, side], 0-1."""
    canvas = np.zeros((side, side), np.uint8)
    baseline = 0
    while baseline < side + 20:
        size = float(rng.uniform(0.35, 1.6))
        baseline += int(18 + 26 * size)
        words = "".join(rng.choice(list(_LETTERS + "   "), 40))
        font, thickness = _FONTS[int(rng.integers(len(_FONTS)))], int(rng.integers(1, 3))
        cv2.putText(canvas, words, (-20, baseline), font, size, 255, thickness, cv2.LINE_AA)
    return canvas.astype(np.float32) / np.float32(255.0)
