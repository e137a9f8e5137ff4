"""Paths and variations among latents."""

import numpy as np
import pytest

from packshot.contracts import CATEGORIES
from packshot.errors import EditError
from packshot.generation.editing import FloatArray, interpolated, pictures_of, variations
from packshot.generation.latents import latents


def test_a_path_begins_and_ends_where_it_should() -> None:
    first, last = latents([1, 2])
    path = interpolated(first, last, 7)
    assert path.shape == (7, 128)
    assert path.dtype == np.float32
    np.testing.assert_allclose(path[0], first, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(path[-1], last, rtol=1e-5, atol=1e-6)


def test_a_path_keeps_the_length_of_latents_and_even_steps() -> None:
    first, last = latents([1, 2])
    path = interpolated(first, last, 9)
    lengths = np.linalg.norm(path, axis=1)
    assert lengths.min() > 0.95 * lengths[[0, -1]].min()  # a straight line would fall to 0.7
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert steps.max() < 1.15 * steps.min()


def test_a_path_from_a_latent_to_itself_stays_there() -> None:
    (vector,) = latents([5])
    np.testing.assert_allclose(interpolated(vector, vector, 3), np.stack([vector] * 3), rtol=1e-5)
    assert np.isfinite(interpolated(vector, -vector, 3)).all()


def test_variations_are_as_far_as_asked_and_still_normal() -> None:
    (vector,) = latents([3])
    spread = [
        np.linalg.norm(variations(vector, 50, strength=s, seed=9) - vector, axis=1).mean()
        for s in (0.0, 0.2, 0.5, 1.0)
    ]
    assert spread[0] == 0.0
    assert (np.diff(spread) > 0).all()
    many = np.concatenate(
        [variations(latents([s])[0], 20, strength=0.6, seed=99) for s in range(50)]
    )
    assert abs(float(many.std()) - 1.0) < 0.03


def test_variations_are_reproducible_and_the_seed_changes_them() -> None:
    (vector,) = latents([3])
    first = variations(vector, 4, strength=0.4, seed=10)
    assert np.array_equal(first, variations(vector, 4, strength=0.4, seed=10))
    # Each from a seed of its own: the next run goes on where this one ended.
    assert np.array_equal(first[2:], variations(vector, 2, strength=0.4, seed=12))
    assert not np.array_equal(first, variations(vector, 4, strength=0.4, seed=20))


def test_the_generator_is_asked_for_the_category_and_truncation() -> None:
    asked = {}

    def generate(vectors: FloatArray, category: np.ndarray, truncation: np.ndarray) -> np.ndarray:
        asked.update(category=category, truncation=truncation)
        return np.zeros((len(vectors), 64, 64, 3), np.uint8)

    pictures = pictures_of(generate, latents([1, 2]), category="watches", truncation=0.5)
    assert pictures.shape == (2, 64, 64, 3)
    assert asked["category"].tolist() == [[CATEGORIES.index("watches")]] * 2
    assert asked["truncation"].tolist() == [[0.5]] * 2


def test_bad_input_is_refused() -> None:
    (vector,) = latents([3])
    with pytest.raises(EditError, match="2 steps or more, got 1"):
        interpolated(vector, vector, 1)
    with pytest.raises(EditError, match="must be 1 or more, got 0"):
        variations(vector, 0, strength=0.5, seed=0)
    with pytest.raises(EditError, match=r"must be 0 to 1, got 1\.5"):
        variations(vector, 1, strength=1.5, seed=0)

    def never(*_: object) -> np.ndarray:
        raise AssertionError("asked with bad input")

    with pytest.raises(EditError, match="no category 'hats': expected one of backpacks, belts"):
        pictures_of(never, latents([1]), category="hats", truncation=0.5)
    with pytest.raises(EditError, match="truncation must be 0 to 1, got 2"):
        pictures_of(never, latents([1]), category="watches", truncation=2.0)
