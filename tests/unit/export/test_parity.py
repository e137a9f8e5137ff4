"""The gate: a runtime that answers otherwise than PyTorch does not pass."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from packshot.models.quality import QualityNet
from packshot_export import build
from packshot_export.errors import ParityError, UnknownNetworkError
from packshot_export.networks import Arrays, ExportableNetwork, network_named
from packshot_export.parity import check_parity

NETWORK = network_named("quality")


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
        return answer


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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("value", "SCORE at batch 1: off by 1, allowed 0.02"),
        ("nan", "off by inf"),
        ("shape", r"gave SCORE the shape \(1,\), expected \(1, 1\)"),
        ("name", "has the outputs"),
    ],
)
def test_differences_are_named(change: str, words: str) -> None:
    with pytest.raises(ParityError, match=words):
        check_parity(NETWORK, Reference(), Spoilt(change))


def test_equal_answers_pass_and_are_recorded() -> None:
    results = check_parity(NETWORK, Reference(), Reference())
    assert {result.output for result in results} == {t.name for t in NETWORK.spec.outputs}
    assert all(result.largest_difference == 0 for result in results)


def test_a_failed_gate_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ParityError("off by 1")

    torch.manual_seed(0)
    network: ExportableNetwork = dataclasses.replace(NETWORK, load=lambda _: QualityNet().eval())
    monkeypatch.setattr(build, "check_parity", refuse)
    with pytest.raises(ParityError):
        build.build_openvino(network, repository=tmp_path)
    assert list((tmp_path / "quality_net").iterdir()) == []


def test_unknown_network_lists_the_known() -> None:
    with pytest.raises(UnknownNetworkError, match="known: quality"):
        network_named("quantity")
