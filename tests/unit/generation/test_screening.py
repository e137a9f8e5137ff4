"""Candidates, and which of them are returned."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from packshot.contracts import LATENT_SIZE
from packshot.generation.latents import latents
from packshot.generation.pictures import summary_of
from packshot.generation.requests import GenerationRequest
from packshot.generation.screening import CHUNK, GenerationNetworks, Screening

Array = npt.NDArray[Any]


class Studio:
    """Networks that can be followed: a picture shows its latent, and its score is its light."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    @property
    def networks(self) -> GenerationNetworks:
        return GenerationNetworks(generate=self.generate, enlarge=self.enlarge, score=self.score)

    def generate(self, latent: Array, category: Array, truncation: Array) -> Array:
        assert latent.shape == (len(latent), LATENT_SIZE)
        assert category.shape == truncation.shape == (len(latent), 1)
        self.calls.append(("generate", len(latent)))
        light = np.clip(128 + 60 * latent[:, 0], 0, 255).astype(np.uint8)
        return np.broadcast_to(light[:, None, None, None], (len(latent), 64, 64, 3)).copy()

    def enlarge(self, pictures: Array, scale: int) -> Array:
        self.calls.append(("enlarge", len(pictures)))
        return pictures.repeat(scale, axis=1).repeat(scale, axis=2)

    def score(self, pictures: Array) -> Array:
        self.calls.append(("score", len(pictures)))
        return scores_of(pictures)


def scores_of(pictures: Array) -> Array:
    return (pictures[:, 0, 0, 0] / 2.55).astype(np.float32)


def asked(**wishes: Any) -> GenerationRequest:
    return GenerationRequest(**{"category": "watches", "seed": 100, "scale": 1, **wishes})


def test_pictures_come_in_the_order_of_their_seeds() -> None:
    studio = Studio()
    samples = list(Screening(asked(count=20), studio.networks))
    assert [sample.seed for sample in samples] == list(range(100, 120))
    assert [sample.tries for sample in samples] == [1] * 20
    assert {sample.score for sample in samples} == {None}
    assert studio.calls == [("generate", 8), ("generate", 8), ("generate", 4)]


@pytest.mark.parametrize("scale", [2, 4])
def test_pictures_are_enlarged_and_judged_as_they_are_returned(scale: int) -> None:
    studio = Studio()
    (sample,) = Screening(asked(scale=scale, min_score=0.0), studio.networks)
    assert sample.pixels_hwc_u8.shape == (64 * scale, 64 * scale, 3)
    assert sample.score == pytest.approx(float(scores_of(sample.pixels_hwc_u8[None])[0]))
    assert [name for name, _ in studio.calls] == ["generate", "enlarge", "score"]


def test_only_the_good_are_returned() -> None:
    screening = Screening(asked(count=10, min_score=60.0), Studio().networks)
    samples = list(screening)
    assert len(samples) == 10
    assert all(sample.score is not None and sample.score >= 60.0 for sample in samples)
    # Every candidate before the last was judged, in order, and no more.
    unused = np.zeros((screening.tried, 1))
    drawn = latents(range(100, 100 + screening.tried))
    candidates = scores_of(Studio().generate(drawn, unused, unused))
    good = np.flatnonzero(candidates >= 60.0)
    assert [sample.seed - 100 for sample in samples] == good.tolist()
    assert screening.tried == good[-1] + 1
    assert sum(sample.tries for sample in samples) == screening.tried
    assert screening.best_refused == pytest.approx(float(candidates[candidates < 60.0].max()))


def test_each_returned_picture_can_be_made_alone() -> None:
    for sample in Screening(asked(count=4, min_score=60.0), Studio().networks):
        (alone,) = Screening(asked(seed=sample.seed), Studio().networks)
        np.testing.assert_array_equal(alone.pixels_hwc_u8, sample.pixels_hwc_u8)


def test_a_score_that_nothing_reaches_ends_after_the_tries() -> None:
    studio = Studio()
    screening = Screening(asked(count=3, min_score=100.0), studio.networks, tries_a_picture=5)
    assert list(screening) == []
    assert (screening.tried, screening.returned) == (15, 0)
    assert sum(size for name, size in studio.calls if name == "generate") == 15
    assert max(size for _, size in studio.calls) <= CHUNK
    summary = summary_of(screening, final=True)
    assert not summary["complete"]
    assert summary["message"].startswith("0 of 3 pictures reached MIN_SCORE 100 in 15 tries; the ")


def test_what_is_complete_needs_no_words() -> None:
    screening = Screening(asked(count=2), Studio().networks)
    assert summary_of(screening, final=False)["returned"] == 0
    list(screening)
    summary = summary_of(screening, final=True)
    assert (summary["complete"], summary["message"]) == (True, "")


def test_cancelled_requests_stop_between_two_calls() -> None:
    studio = Studio()
    stops = iter([False, False, True])
    screening = Screening(asked(count=100), studio.networks, is_cancelled=lambda: next(stops))
    assert len(list(screening)) == 2 * CHUNK
    assert studio.calls == [("generate", CHUNK)] * 2
