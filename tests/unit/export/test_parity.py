"""The gate: a runtime that answers otherwise than PyTorch does not pass."""

import numpy as np
import pytest

from packshot_export.errors import ParityError, UnknownNetworkError
from packshot_export.networks import Arrays, network_named
from packshot_export.parity import ParityGate, ParityReport
from packshot_export.pictures import generated_pictures
from packshot_export.precision import Precision
from packshot_export.task_metric import ImageAgreement, RankAgreement, labelled_loss

NETWORK = network_named("quality")


class Reference:
    """A stand-in for PyTorch whose answers depend on the inputs only."""

    name = "reference"

    def run(self, inputs: Arrays) -> Arrays:
        batch = len(inputs["GLOBAL_VIEW"])
        mean = inputs["GLOBAL_VIEW"].mean(axis=(1, 2, 3))
        return {
            tensor.name: np.ones((batch, *tensor.shape))
            * mean.reshape(-1, *[1] * len(tensor.shape))
            for tensor in NETWORK.spec.outputs
        }


class Spoilt:
    """Another runtime, with one thing wrong."""

    name = "spoilt"

    def __init__(self, change: str) -> None:
        self._change = change

    def run(self, inputs: Arrays) -> Arrays:
        answer = Reference().run(inputs)
        if self._change == "value":
            answer["SCORE"][-1] += 1.0
        elif self._change == "nan":
            answer["SCORE"][-1] = np.nan
        elif self._change == "shape":
            answer["SCORE"] = answer["SCORE"][:, 0]
        elif self._change == "name":
            answer["score"] = answer.pop("SCORE")
        elif self._change == "ranking":
            answer["SCORE"] = np.round(answer["SCORE"] / 30) * 30
        return answer


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, ...]:
    return generated_pictures(12, 5).pictures


def checked(change: str, pictures: tuple[np.ndarray, ...], precision: Precision) -> ParityReport:
    gate = ParityGate(NETWORK, Reference(), precision=precision, pictures=pictures)
    return gate.check(Spoilt(change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("value", r"SCORE at batch 1: off by 1, allowed 0\.02"),
        ("nan", "off by inf"),
        ("shape", r"gave SCORE the shape \(1,\), expected \(1, 1\)"),
        ("name", "has the outputs"),
    ],
)
def test_differences_are_named(change: str, words: str, pictures: tuple[np.ndarray, ...]) -> None:
    with pytest.raises(ParityError, match=words):
        checked(change, pictures, Precision.FP32)


def test_a_ranking_that_is_spoilt_within_the_tolerance_fails(
    pictures: tuple[np.ndarray, ...],
) -> None:
    with pytest.raises(ParityError, match=r"SRCC lost against PyTorch: .* limit 0\.01"):
        checked("ranking", pictures, Precision.INT8)


def test_equal_answers_pass_and_are_recorded(pictures: tuple[np.ndarray, ...]) -> None:
    report = checked("", pictures, Precision.FP32)
    assert {item.output for item in report.outputs} == {t.name for t in NETWORK.spec.outputs}
    assert all(item.largest_difference == 0 for item in report.outputs)
    assert [item.value for item in report.metrics] == [pytest.approx(0.0)]


def test_constant_scores_do_not_pass() -> None:
    expected = np.arange(10.0)[:, None]
    measured = RankAgreement(output="SCORE").measure(expected, expected * 0, Precision.INT8)
    assert not measured.passed


def test_images_are_compared_in_decibels() -> None:
    image = np.zeros((1, 8, 8, 3), np.uint8)
    metric = ImageAgreement(output="IMAGE")
    assert metric.measure(image, image, Precision.FP32).passed
    # An error of one grey level everywhere is 20 log10(255) = 48.13 dB.
    close = metric.measure(image, image + 1, Precision.FP16)
    assert close.value == pytest.approx(48.13, abs=0.01)
    assert close.passed
    assert not metric.measure(image, image + 1, Precision.FP32).passed


def test_loss_on_labelled_pictures() -> None:
    people = np.arange(20.0)
    worse = people.copy()
    worse[:4] = worse[:4][::-1]
    assert not labelled_loss(people, worse, people, Precision.INT8).passed
    assert labelled_loss(worse, people, people, Precision.INT8).passed


def test_unknown_network_lists_the_known() -> None:
    with pytest.raises(UnknownNetworkError, match="known: generator, quality"):
        network_named("quantity")
