"""The model `quality` in one process: what its stages say, for each request on its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from packshot.errors import (
    ContractError,
    ModelRepositoryError,
    UnknownPolicyError,
    UnsupportedFormatError,
)
from packshot.serving.backend import Tensors, bytes_tensor
from packshot.serving.decode_image import DecodeImage
from packshot.serving.quality import Quality
from packshot.serving.quality_net import QualityNet
from packshot.serving.quality_verdict import QualityVerdict
from packshot.serving.stage_context import StageContext

NETWORKS = {"networks": "quality_net:1", "threads": "1"}


def context(repository: Path, **parameters: str) -> StageContext:
    return StageContext(
        version_directory=repository / "quality" / "1", parameters={**NETWORKS, **parameters}
    )


@pytest.fixture(scope="module")
def quality(repository: Path) -> Quality:
    return Quality(context(repository))


def answered(answer: Tensors | Exception) -> Tensors:
    assert not isinstance(answer, Exception), answer
    return answer


def test_answers_are_those_of_its_stages(
    quality: Quality, repository: Path, photo_files: dict[str, bytes]
) -> None:
    files = list(photo_files.values())
    request = {"IMAGE": bytes_tensor(files), "POLICY": bytes_tensor([b"google"] * len(files))}
    expected: Tensors = request
    for stage in (
        DecodeImage(context(repository)),
        QualityNet(
            StageContext(version_directory=repository / "quality_net" / "1", parameters=NETWORKS)
        ),
        QualityVerdict(context(repository)),
    ):
        (answer,) = stage.execute([expected])
        expected = {**expected, **answered(answer)}
    (got,) = quality.execute([request])
    for name in ("SCORE", "ATTRIBUTES", "VERDICT"):
        np.testing.assert_array_equal(answered(got)[name], expected[name], err_msg=name)


def test_a_request_that_fails_costs_the_others_nothing(
    quality: Quality, photo_files: dict[str, bytes]
) -> None:
    photo = photo_files["coffee"]
    (alone,) = quality.execute([{"IMAGE": bytes_tensor([photo])}])
    first, unreadable, unknown, last = quality.execute(
        [
            {"IMAGE": bytes_tensor([photo])},
            {"IMAGE": bytes_tensor([photo, b"no picture"])},
            {"IMAGE": bytes_tensor([photo]), "POLICY": bytes_tensor([b"nosuchpolicy"])},
            {"IMAGE": bytes_tensor([photo, photo])},
        ]
    )
    assert isinstance(unreadable, UnsupportedFormatError)
    assert "item 1 of 2" in str(unreadable)
    assert isinstance(unknown, UnknownPolicyError)
    score = answered(alone)["SCORE"]
    np.testing.assert_allclose(answered(first)["SCORE"], score, atol=1e-3)
    np.testing.assert_allclose(answered(last)["SCORE"], np.repeat(score, 2, axis=0), atol=1e-3)


def test_nothing_is_computed_when_every_request_fails(quality: Quality) -> None:
    answers = quality.execute([{"IMAGE": bytes_tensor([b"no"])}] * 2)
    assert all(isinstance(answer, UnsupportedFormatError) for answer in answers)


@pytest.mark.parametrize("networks", ["", "quality_net", "restore_net:1"])
def test_the_version_of_the_network_must_be_named(repository: Path, networks: str) -> None:
    with pytest.raises(ContractError, match=f"such as quality_net:1, got '{networks}'"):
        Quality(context(repository, networks=networks))


def test_a_version_that_was_not_built(repository: Path) -> None:
    with pytest.raises(ModelRepositoryError, match="packshot-export build quality"):
        Quality(context(repository, networks="quality_net:999"))
