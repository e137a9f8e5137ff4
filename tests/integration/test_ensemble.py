"""`quality` as a GPU serves it: an ensemble of its stages, here with the network for CPUs."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
from tritonclient.utils import InferenceServerException

from packshot.contracts import QUALITY
from packshot.serving.options import ServerConfig
from packshot.serving.process import TritonProcess

STAGES = ("decode_image", "quality", "quality_net", "quality_verdict")


@pytest.fixture(scope="module")
def ensemble(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonProcess]:
    folder = tmp_path_factory.mktemp("ensemble") / "model_repository"
    shutil.copytree(repository, folder)
    quality = folder / QUALITY.name
    shutil.copyfile(quality / "configs" / "tensorrt.pbtxt", quality / "config.pbtxt")
    with TritonProcess(ServerConfig.on_free_ports(folder), start_timeout_s=240.0) as server:
        yield server


@pytest.fixture
def ensemble_caller(ensemble: TritonProcess, connect: Callable[[str], Any]) -> Any:
    return connect(ensemble.grpc_address)


def test_answers_as_the_one_process_of_a_cpu(
    ensemble: TritonProcess, ensemble_caller: Any, caller: Any, photo_files: dict[str, bytes]
) -> None:
    assert ensemble.models == STAGES
    photos = list(photo_files.values())
    policies = [b"google"] * len(photos)
    answer = ensemble_caller.score(*photos, policies=policies)
    expected = caller.score(*photos, policies=policies)
    for name in ("SCORE", "ATTRIBUTES"):
        np.testing.assert_allclose(answer[name], expected[name], atol=0.01, err_msg=name)
    for index in range(len(photos)):
        verdicts = [c.verdict(a, index) for c, a in ((caller, expected), (ensemble_caller, answer))]
        decisions = [json.dumps([v["decision"], v["reasons"]]) for v in verdicts]
        assert len(set(decisions)) == 1


@pytest.mark.parametrize("wanted", ["SCORE", "ATTRIBUTES", "VERDICT"])
def test_any_output_alone(wanted: str, ensemble_caller: Any, photo_files: dict[str, bytes]) -> None:
    answer = ensemble_caller.client.infer(
        QUALITY.name,
        ensemble_caller.inputs((photo_files["coffee"],), None),
        outputs=[triton_grpc.InferRequestedOutput(wanted)],
        client_timeout=60,
    )
    assert [output.name for output in answer.get_response().outputs] == [wanted]


def test_what_the_rules_take_off(
    ensemble: TritonProcess, ensemble_caller: Any, photo_files: dict[str, bytes]
) -> None:
    """Triton counts a failed call of an ensemble twice: docker/prometheus/rules.yaml."""
    for inputs in (([b"no picture"], None), ([photo_files["rocket"]], [b"nosuchpolicy"])):
        for _ in range(3):
            with pytest.raises(InferenceServerException) as caught:
                ensemble_caller.score(*inputs[0], policies=inputs[1])
            assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    page = metrics(ensemble)
    for stage in ("decode_image", "quality_verdict"):
        assert value_of(page, "packshot_errors_total", stage, 'code="INVALID_ARG"') == 3
    assert value_of(page, "nv_inference_request_failure", "quality", 'reason="OTHER"') == 12


def test_neighbours_in_the_same_batch_get_their_answers(
    ensemble_caller: Any, photo_files: dict[str, bytes]
) -> None:
    """Sends until the server has provably put a bad image and good ones into one batch."""
    photo = photo_files["motorcycle_left"]
    before = ensemble_caller.batch_sizes("decode_image")
    largest = 0
    # Three neighbours in order hold a bad and a good image.
    while largest < 3:
        answers = [ensemble_caller.start_score(b"junk" if i % 3 == 1 else photo) for i in range(24)]
        for index, answer in enumerate(answers):
            error = answer.exception(60)
            assert (error is not None) == (index % 3 == 1), error
        sizes = ensemble_caller.batch_sizes("decode_image").items()
        largest = max((size for size, count in sizes if count > before.get(size, 0)), default=0)


def metrics(server: TritonProcess) -> str:
    address = f"http://127.0.0.1:{server.endpoint_config.ports['metrics']}/metrics"
    with urllib.request.urlopen(address, timeout=30) as answer:
        return str(answer.read().decode())


def value_of(page: str, series: str, model: str, label: str) -> float:
    (line,) = (
        line
        for line in page.splitlines()
        if line.startswith(series) and f'model="{model}"' in line and label in line
    )
    return float(line.rpartition(" ")[2])


def test_sigterm_answers_all_that_was_accepted(
    ensemble: TritonProcess, ensemble_caller: Any, photo_files: dict[str, bytes]
) -> None:
    """The last test: what was between two stages is answered before the server ends."""
    answers = ensemble_caller.start_scores_that_wait(photo_files["coffee"])
    assert ensemble.stop() == 0
    assert all(np.isfinite(answer.result(60)["SCORE"]).all() for answer in answers)
