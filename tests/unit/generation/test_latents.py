"""Latent vectors from seeds."""

from __future__ import annotations

import numpy as np

from packshot.contracts import LARGEST_SEED
from packshot.generation.latents import latents


def test_vectors_never_change() -> None:
    """Numbers of the first release: pictures are made again from their seeds."""
    np.testing.assert_allclose(
        latents([0, 41, LARGEST_SEED])[:, :3],
        [
            [-0.11777673, 0.94245434, 2.51415968],
            [0.03444663, -0.30443373, 0.94669735],
            [-0.54445815, -0.42951158, 0.61850500],
        ],
        rtol=1e-6,
    )


def test_each_seed_stands_alone() -> None:
    np.testing.assert_array_equal(latents([7, 8, 9])[1], latents([8])[0])
    assert (latents([7]) != latents([8])).all()


def test_they_are_standard_normal() -> None:
    drawn = latents(range(2000))
    assert drawn.dtype == np.float32
    assert drawn.shape == (2000, 128)
    assert abs(float(drawn.mean())) < 0.01
    assert abs(float(drawn.std()) - 1.0) < 0.01
    assert abs(float((np.abs(drawn) < 1.0).mean()) - 0.6827) < 0.005
    assert abs(float(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1])) < 0.08


def test_no_seeds_no_vectors() -> None:
    assert latents([]).shape == (0, 128)
