"""Variants by frozen features, their cost, and the failures worth showing."""

from pathlib import Path

import numpy as np
import torch

from packshot.models.quality import QualityNet
from packshot.training.evaluation.cost import count_macs, measure_cost
from packshot.training.evaluation.failures import MOST, plot_failures, worst_failures
from packshot.training.evaluation.variants import VARIANTS, compare_variants, fit_and_predict
from packshot.training.feedback.labels import Labels
from packshot.training.quality.photos import split_biq2021


def test_ridge_regression_finds_a_linear_relation_between_more_features_than_photos() -> None:
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((90, 3))
    features = (hidden @ rng.standard_normal((3, 200))).astype(np.float32)
    human = hidden @ np.array([1.0, -2.0, 0.5]) + 4.0
    rows = tuple(np.split(np.arange(90), [60, 70]))
    np.testing.assert_allclose(fit_and_predict(features, human, rows), human[70:], atol=0.3)


def test_ridge_regression_learns_nothing_from_photos_it_is_tested_on() -> None:
    rng = np.random.default_rng(1)
    features = rng.standard_normal((90, 20)).astype(np.float32)
    human = rng.standard_normal(90)
    rows = tuple(np.split(np.arange(90), [60, 70]))
    before = fit_and_predict(features, human, rows)
    changed = human.copy()
    changed[70:] += 100.0
    np.testing.assert_array_equal(fit_and_predict(features, changed, rows), before)


def test_more_views_and_more_depth_cost_more(data_folder: Path) -> None:
    results = compare_variants(split_biq2021(data_folder / "biq2021"), resamples=10)
    smaller, one_view, shipped, larger = results
    assert [result.name for result in results] == [variant.name for variant in VARIANTS]
    assert smaller.backbone_parameters < one_view.backbone_parameters
    assert smaller.macs < shipped.macs == 2 * one_view.macs
    assert larger.macs == 2 * shipped.macs
    assert set(shipped.metrics) == {"SRCC", "PLCC"}


def test_macs_of_a_known_layer() -> None:
    convolution = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
    assert count_macs(convolution, torch.zeros(1, 3, 10, 10)) == 8 * 3 * 9 * 100


def test_cost_leaves_the_number_of_threads_alone() -> None:
    before = torch.get_num_threads()
    cost = measure_cost(QualityNet().eval())
    assert torch.get_num_threads() == before
    assert 5e6 < cost.parameters < 6e6
    assert cost.milliseconds > 0


def test_the_worst_failures_come_first(data_folder: Path, tmp_path: Path) -> None:
    photos = tuple(sorted((data_folder / "biq2021" / "images").glob("*.jpg"))[:20])
    labels = Labels(kind="scores", photos=photos, targets=(0.5,) * 20)
    scores = np.full(20, 50.0)
    scores[3], scores[7], scores[11] = 90.0, 70.0, 5.0
    too_high, too_low = worst_failures(labels, scores)
    assert [failure.path for failure in too_high] == [photos[3], photos[7]]
    assert [failure.predicted for failure in too_low] == [5.0]
    plot_failures(too_high, too_low, tmp_path / "failures.png")
    assert (tmp_path / "failures.png").read_bytes().startswith(b"\x89PNG")
    many = np.linspace(0, 100, 20)
    assert [len(side) for side in worst_failures(labels, many)] == [MOST, MOST]
