"""What is measured of the quality network, against small cases with known answers."""

from pathlib import Path

import numpy as np
import pytest

from packshot.contracts import LEARNED_ATTRIBUTES
from packshot.errors import TrainingError
from packshot.training.degradations import FAULTS, gaussian_blur, gaussian_noise
from packshot.training.evaluation.baselines import (
    PLAIN_BASELINES,
    brisque,
    colourfulness,
    exposure_balance,
    laplacian_sharpness,
    rms_contrast,
)
from packshot.training.evaluation.calibration import EXPECTED_WITHIN, calibration
from packshot.training.evaluation.false_alarms import (
    has_black_product,
    has_fine_texture,
    has_white_areas,
    summarize_alarms,
)
from packshot.training.evaluation.fault_responses import SEVERITIES, mean_monotony, summarize
from packshot.training.evaluation.method_comparison import baseline_values, compare_methods
from packshot.training.evaluation.quality import agreement_by_subset
from packshot.training.evaluation.thresholds import (
    Goal,
    Thresholds,
    decide,
    suggest_thresholds,
)
from packshot.training.feedback.label_agreement import GRADED, ORDERED, label_agreement
from packshot.training.feedback.labels import GradeThresholds, Labels
from packshot.training.metrics import bootstrap, srcc
from packshot.training.report_file import json_text


def paths(count: int) -> tuple[Path, ...]:
    return tuple(Path(f"{number}.jpg") for number in range(count))


def textured(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (96, 96, 3), dtype=np.uint8)


def test_agreement_with_each_kind_of_labels() -> None:
    scores = np.array([90.0, 50.0, 10.0, 30.0])
    of_scores = label_agreement(
        Labels(kind="scores", photos=paths(4), targets=(0.9, 0.5, 0.1, 0.3)), scores
    )
    assert of_scores["SRCC"].value == of_scores["KRCC"].value == 1.0
    assert of_scores["RMSE"].value == pytest.approx(0.0)
    of_pairs = label_agreement(
        Labels(kind="pairs", photos=paths(4), pairs=((0, 1), (1, 2), (2, 3), (0, 2))), scores
    )
    assert of_pairs[ORDERED].value == 0.75
    of_grades = label_agreement(
        Labels(kind="grades", photos=paths(4), targets=(2.0, 1.0, 0.0, 1.0)),
        scores,
        grades=GradeThresholds(medium_from=45.0, high_from=65.0),
    )
    assert of_grades[GRADED].value == 0.75
    assert of_grades["SRCC"].value > 0.9


def test_a_tie_counts_half() -> None:
    labels = Labels(kind="pairs", photos=paths(2), pairs=((0, 1),))
    assert label_agreement(labels, np.array([5.0, 5.0]))[ORDERED].value == 0.5


def test_equal_scores_have_no_correlation_and_say_so() -> None:
    estimate = bootstrap(srcc, np.ones(9), np.arange(9.0))
    assert np.isnan(estimate.value)
    assert str(estimate) == "not defined"
    assert '"value": null' in json_text(estimate)


def test_agreement_is_given_by_subset() -> None:
    labels = Labels(
        kind="scores",
        photos=paths(5),
        targets=(0.1, 0.5, 0.9, 0.2, 0.8),
        subsets=("shoes", "shoes", "shoes", "bags", "bags"),
    )
    scores = np.array([10.0, 50.0, 90.0, 80.0, 20.0])
    found = agreement_by_subset(labels, scores, resamples=20)
    assert [(a.subset, a.labels) for a in found] == [("all", 5), ("bags", 2), ("shoes", 3)]
    assert [round(a.metrics["SRCC"].value) for a in found[1:]] == [-1, 1]


def test_methods_stand_in_one_table_and_undefined_values_are_left_out() -> None:
    labels = Labels(kind="scores", photos=paths(5), targets=(0.1, 0.3, 0.5, 0.7, 0.9))
    human = np.array(labels.targets) * 100
    rows = compare_methods(
        labels,
        human + 10.0,
        {
            "in other units": human * 7 - 3,
            "upside down": -human,
            "not always defined": np.array([np.nan, 1.0, 2.0, 3.0, 4.0]),
        },
        resamples=20,
    )
    assert [row.method for row in rows] == [
        "quality network", "in other units", "upside down", "not always defined",
    ]  # fmt: skip
    assert [row.photos for row in rows] == [5, 5, 5, 4]
    assert [round(row.metrics["SRCC"].value) for row in rows] == [1, 1, -1, 1]
    assert rows[0].metrics["RMSE"].value == pytest.approx(10.0)
    assert rows[1].metrics["RMSE"].value == pytest.approx(0.0, abs=1e-9)
    assert rows[2].metrics["RMSE"].value == pytest.approx(float(human.std()))


def test_pairs_without_a_value_are_left_out_of_the_comparison() -> None:
    labels = Labels(kind="pairs", photos=paths(3), pairs=((0, 1), (1, 2), (0, 2)))
    rows = compare_methods(labels, np.array([3.0, 2.0, 1.0]), {"b": np.array([1.0, 2.0, np.nan])})
    assert len(rows) == 1  # one pair is too few to say anything
    rows = compare_methods(labels, np.array([3.0, 2.0, 1.0]), {"b": np.array([3.0, 1.0, 2.0])})
    assert rows[1].metrics[ORDERED].value == pytest.approx(2 / 3)


def test_plain_baselines_answer_what_they_are_made_for() -> None:
    picture = textured()
    rng = np.random.default_rng(0)
    assert laplacian_sharpness(picture) > laplacian_sharpness(gaussian_blur(picture, 0.5, rng))
    assert rms_contrast(picture) > rms_contrast((picture // 4 + 96).astype(np.uint8))
    grey = np.repeat(picture[..., :1], 3, axis=2)
    assert colourfulness(picture) > colourfulness(grey) == 0.0
    assert exposure_balance(picture) > exposure_balance((picture // 4).astype(np.uint8))


def test_brisque_has_its_sign_turned_and_is_undefined_without_texture() -> None:
    baseline = brisque()
    if baseline is None:
        pytest.skip("the extra eval (brisque) is not installed")
    # Pink noise: the spectrum of natural photos, which BRISQUE knows.
    frequency = np.hypot(np.fft.fftfreq(192)[:, None], np.fft.fftfreq(192)[None])
    spectrum = np.fft.fft2(np.random.default_rng(0).standard_normal((192, 192)))
    pink = np.fft.ifft2(spectrum / np.maximum(frequency, 1 / 192)).real
    grey = np.clip(128 + 45 * pink / pink.std(), 0, 255).astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=2)
    noisy = gaussian_noise(picture, 1.0, np.random.default_rng(0))
    assert baseline.measure(picture) > baseline.measure(noisy)
    assert np.isnan(baseline.measure(np.full((64, 64, 3), 255, np.uint8)))


def test_each_baseline_gets_a_value_for_each_photo(data_folder: Path) -> None:
    photos = sorted((data_folder / "studio").glob("*.jpg"))[:3]
    done: list[int] = []
    values = baseline_values(PLAIN_BASELINES, photos, done.append)
    assert set(values) == {baseline.name for baseline in PLAIN_BASELINES}
    assert all(np.isfinite(column).all() and len(column) == 3 for column in values.values())
    assert done == [1, 1, 1]


def test_monotony_of_falling_rising_and_dead_curves() -> None:
    falling, flat = np.linspace(1, 0, len(SEVERITIES)), np.full(len(SEVERITIES), 0.7)
    assert mean_monotony(np.stack([falling])) == pytest.approx(1.0)
    assert mean_monotony(np.stack([falling[::-1]])) == pytest.approx(-1.0)
    assert mean_monotony(np.stack([falling, flat])) == pytest.approx(0.5)


def test_a_fault_response_worked_by_hand() -> None:
    fault = next(fault for fault in FAULTS if fault.name == "gaussian_noise")
    own, other = LEARNED_ATTRIBUTES.index("noise"), LEARNED_ATTRIBUTES.index("sharpness")
    attributes = np.ones((4, len(SEVERITIES) + 1, len(LEARNED_ATTRIBUTES)))
    attributes[:, :-1, own] = np.linspace(1, 0, len(SEVERITIES))
    attributes[:, -1, own] = 0.4
    attributes[0, -1, other] = 0.2  # once, sharpness is blamed for noise
    scores = np.tile(np.append(np.linspace(80, 20, len(SEVERITIES)), 50.0), (4, 1))
    found = summarize(fault, scores, attributes)
    assert found.own_lowest == 0.75
    assert found.lowest_shares[other] == 0.25
    assert sum(found.lowest_shares) == 1.0
    assert found.mean_attributes[own] == pytest.approx(0.4)
    assert found.mean_attributes[other] == pytest.approx(0.8)
    assert found.monotony == found.score_monotony == pytest.approx(1.0)
    assert found.curve == pytest.approx(np.linspace(1, 0, len(SEVERITIES)))


def test_groups_of_studio_photos_are_told_by_their_pixels() -> None:
    white = np.full((96, 96, 3), 255, np.uint8)
    black_on_white = white.copy()
    black_on_white[30:70, 30:70] = 20
    assert has_white_areas(white)
    assert not has_black_product(white)
    assert has_white_areas(black_on_white)
    assert has_black_product(black_on_white)
    assert has_fine_texture(textured())
    assert not has_fine_texture(white)
    assert not has_fine_texture(np.zeros((20, 20, 3), np.uint8))


def test_false_alarms_worked_by_hand() -> None:
    attributes = np.ones((4, len(LEARNED_ATTRIBUTES)))
    attributes[0, :2] = 0.1
    attributes[1, 0] = 0.49
    attributes[2, 0] = 0.5  # not below
    found = summarize_alarms("all", np.full(4, 70.0), attributes)
    assert found.any_attribute == 0.5
    assert found.by_attribute[LEARNED_ATTRIBUTES[0]] == 0.5
    assert found.by_attribute[LEARNED_ATTRIBUTES[1]] == 0.25
    assert sum(found.by_attribute.values()) == 0.75
    assert found.mean_score == 70.0


def test_calibration_tells_honest_from_overconfident() -> None:
    rng = np.random.default_rng(0)
    spread = rng.uniform(2, 12, 4000)
    human = rng.uniform(30, 70, 4000)
    scores = human + rng.normal(0, spread)
    expected_error = spread * np.sqrt(2 / np.pi)
    honest = calibration(scores, expected_error, human)
    assert honest.predicted == pytest.approx(honest.observed, rel=0.05)
    assert honest.within == pytest.approx(EXPECTED_WITHIN, abs=0.03)
    assert [part.photos for part in honest.bins] == [800] * 5
    for part in honest.bins:
        assert part.observed == pytest.approx(part.predicted, rel=0.1)
    assert honest.ranking.low > 0.3
    bold = calibration(scores, expected_error / 3, human)
    assert bold.observed > 2.5 * bold.predicted
    assert bold.within < 0.3


def test_suggested_thresholds_decide_rightly_and_leave_no_more_than_needed_to_people() -> None:
    human = np.linspace(0, 100, 101)
    goal = Goal(good_from=50.0, right=0.9)
    thresholds = suggest_thresholds(human + 5.0, np.full(101, 2.0), human, goal)
    decisions = decide(human + 5.0, np.full(101, 2.0), human, thresholds, goal)
    assert decisions.accepted_good >= 0.9
    assert decisions.rejected_bad >= 0.9
    lower = Thresholds(accept=thresholds.accept - 1, reject=thresholds.reject)
    assert decide(human + 5.0, np.full(101, 2.0), human, lower, goal).accepted_good < 0.9
    assert thresholds.reject <= thresholds.accept


def test_no_threshold_is_suggested_where_scores_say_nothing() -> None:
    rng = np.random.default_rng(0)
    scores, human = rng.uniform(0, 100, (2, 200))
    with pytest.raises(TrainingError, match="no threshold decides rightly on 95% of 10 photos"):
        suggest_thresholds(scores, np.zeros(200), human, Goal())
