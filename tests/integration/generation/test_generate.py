"""generate and generate_stream on the live server."""

from __future__ import annotations

import io
import json
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
from PIL import Image
from tritonclient.utils import InferenceServerException

from packshot.contracts import CATEGORIES, DECOUPLED, GENERATION_FAMILY, ModelSpec
from packshot.errors import ServingError
from packshot.generation import verify
from packshot.generation.watermark import WATERMARK
from packshot.serving.backend import bytes_tensor
from packshot.serving.grpc_endpoint import GrpcEndpoint
from packshot.serving.http_endpoint import HttpEndpoint
from packshot.serving.options import ServerConfig
from packshot.serving.process import TritonProcess
from packshot.serving.supervision.metrics import SupervisorMetrics
from packshot.serving.supervision.options import SupervisorOptions
from packshot.serving.supervision.prober import ModelProber

INVALID = "StatusCode.INVALID_ARGUMENT"


def facts_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(text) for text in answer["OUTPUT_FACTS"][0]]


def summary_of(answer: dict[str, Any]) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(answer["SUMMARY"][0, 0])
    return summary


def refusal(call: Callable[[], Any]) -> InferenceServerException:
    with pytest.raises(InferenceServerException) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(("scale", "output"), [(1, b"png"), (2, b"webp"), (4, b"jpeg")])
def test_pictures_are_what_was_asked_for(generate: Any, scale: int, output: bytes) -> None:
    answer = generate(CATEGORY=b"watches", SEED=3, COUNT=2, SCALE=scale, FORMAT=output)
    facts = facts_of(answer)
    assert [fact["seed"] for fact in facts] == [3, 4]
    for data, fact in zip(answer["OUTPUT_IMAGE"][0], facts, strict=True):
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.size) == (fact["format"], (64 * scale, 64 * scale))
        assert image.format == output.decode().upper()
        assert (fact["bytes"], fact["score"], fact["model_version"]) == (len(data), None, 1)
        found = verify(data)
        assert found.watermark == fact["watermark"] == WATERMARK
        assert found.digital_source_type.endswith("/trainedAlgorithmicMedia")
    assert answer["OUTPUT_IMAGE"][0, 0] != answer["OUTPUT_IMAGE"][0, 1]
    assert summary_of(answer)["complete"]


def test_absent_options_have_their_defaults(generate: Any) -> None:
    first, second = (generate(CATEGORY=b"Casual Shoes") for _ in range(2))
    (facts,) = facts_of(first)
    assert (facts["category"], facts["truncation"], facts["scale"]) == ("casual_shoes", 0.7, 4)
    assert facts["format"] == "PNG"
    assert facts["seed"] == summary_of(first)["seed"] != summary_of(second)["seed"]


def test_a_seed_gives_the_same_bytes_whoever_asks_when(generate: Any) -> None:
    """Alone, in a row, in a stream and among others at the same time."""
    row = generate(CATEGORY=b"belts", SEED=50, COUNT=12, SCALE=2)["OUTPUT_IMAGE"][0]
    alone = generate(CATEGORY=b"belts", SEED=57, SCALE=2)["OUTPUT_IMAGE"][0, 0]
    assert alone == row[7]
    streamed = [
        part["OUTPUT_IMAGE"][0, 0]
        for part in generate.stream(CATEGORY=b"belts", SEED=50, COUNT=12, SCALE=2)[:-1]
    ]
    assert streamed == list(row)
    with ThreadPoolExecutor(6) as pool:
        answers = pool.map(
            lambda seed: generate(CATEGORY=b"belts", SEED=seed, SCALE=2), range(50, 62)
        )
        assert [answer["OUTPUT_IMAGE"][0, 0] for answer in answers] == list(row)


def test_category_and_truncation_matter(generate: Any) -> None:
    pictures = {
        generate(CATEGORY=category.encode(), SEED=1, SCALE=1)["OUTPUT_IMAGE"][0, 0]
        for category in CATEGORIES
    }
    assert len(pictures) == len(CATEGORIES)
    mean = [
        generate(CATEGORY=b"belts", SEED=seed, TRUNCATION=0.0, SCALE=1)["OUTPUT_IMAGE"][0, 0]
        for seed in (1, 2)
    ]
    assert mean[0] == mean[1]


def test_screening_keeps_what_is_good_enough(generate: Any) -> None:
    scored = facts_of(generate(CATEGORY=b"heels", SEED=9, COUNT=12, SCALE=1, MIN_SCORE=0.0))
    scores = [fact["score"] for fact in scored]
    threshold = sorted(scores)[8] - 1e-3
    answer = generate(CATEGORY=b"heels", SEED=9, COUNT=3, SCALE=1, MIN_SCORE=threshold)
    wanted = [fact["seed"] for fact in scored if fact["score"] >= threshold][:3]
    assert [fact["seed"] for fact in facts_of(answer)] == wanted
    summary = summary_of(answer)
    assert summary["tried"] == wanted[-1] - 9 + 1
    assert sum(fact["tries"] for fact in facts_of(answer)) == summary["tried"]


def test_a_score_that_nothing_reaches(generate: Any) -> None:
    answer = generate(CATEGORY=b"heels", SEED=9, COUNT=2, SCALE=1, MIN_SCORE=100.0)
    assert answer["OUTPUT_IMAGE"].shape == answer["OUTPUT_FACTS"].shape == (1, 0)
    summary = summary_of(answer)
    assert (summary["requested"], summary["returned"], summary["tried"]) == (2, 0, 16)
    assert "0 of 2 pictures reached MIN_SCORE 100 in 16 tries" in summary["message"]
    (only,) = generate.stream(CATEGORY=b"heels", SEED=9, COUNT=2, SCALE=1, MIN_SCORE=100.0)
    assert summary_of(only) == summary


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"CATEGORY": b"hats"}, "backpacks, belts, casual_shoes"),
        ({"COUNT": 0}, "COUNT must be 1 to 16, got 0"),
        ({"COUNT": 10_000}, "call generate_stream"),
        ({"SEED": -5}, "SEED must be 0 to"),
        ({"TRUNCATION": 1.5}, "TRUNCATION must be 0"),
        ({"TRUNCATION": float("nan")}, "got nan"),
        ({"SCALE": 3}, "SCALE must be 1, 2 or 4"),
        ({"FORMAT": b"gif"}, "FORMAT must be jpeg, png or webp"),
        ({"MIN_SCORE": 101.0}, "MIN_SCORE must be 0 to 100"),
    ],
)
def test_bad_input_is_the_callers(generate: Any, wrong: dict[str, Any], words: str) -> None:
    wishes = {"CATEGORY": b"watches", **wrong}
    error = refusal(lambda: generate(**wishes))
    assert error.status() == INVALID
    assert words in error.message()
    if "COUNT" in wrong:
        words = f"COUNT must be 1 to 1,000, got {wrong['COUNT']:,}"
    assert words in refusal(lambda: generate.stream(**wishes)).message()


def test_a_seed_of_another_type_is_refused(generate: Any) -> None:
    tensor = triton_grpc.InferInput("SEED", [1, 1], "FP32")
    tensor.set_data_from_numpy(np.array([[1.0]], np.float32))
    category = triton_grpc.InferInput("CATEGORY", [1, 1], "BYTES")
    category.set_data_from_numpy(np.array([[b"belts"]], np.object_))
    error = refusal(lambda: generate.client.infer("generate", [category, tensor]))
    assert error.status() == INVALID
    assert "SEED" in error.message()


def test_over_http(generate: Any, enhancing_triton: TritonProcess) -> None:
    body = {
        "inputs": [
            {"name": "CATEGORY", "shape": [1, 1], "datatype": "BYTES", "data": ["belts"]},
            {"name": "SEED", "shape": [1, 1], "datatype": "INT64", "data": [8]},
        ],
        "outputs": [{"name": "OUTPUT_FACTS"}, {"name": "SUMMARY"}],
    }
    address = f"http://127.0.0.1:{enhancing_triton.config.http_port}/v2/models/generate/infer"
    with urllib.request.urlopen(address, json.dumps(body).encode(), timeout=120) as answer:
        outputs = {out["name"]: out for out in json.load(answer)["outputs"]}
    assert (
        json.loads(outputs["OUTPUT_FACTS"]["data"][0])
        == facts_of(generate(CATEGORY=b"belts", SEED=8))[0]
    )


def test_streams_are_long_and_come_one_by_one(generate: Any) -> None:
    parts = generate.stream(CATEGORY=b"wallets", SEED=1, COUNT=100, SCALE=1)
    assert len(parts) == 101
    assert [facts_of(part)[0]["seed"] for part in parts[:-1]] == list(range(1, 101))
    assert [summary_of(part)["returned"] for part in parts] == [*range(1, 101), 100]
    assert [summary_of(part)["final"] for part in parts] == [False] * 100 + [True]


def images_made(generate: Any) -> int:
    found = generate.client.get_inference_statistics("generator_net", as_json=True)
    return int(found["model_stats"][0].get("inference_count", 0))


def test_a_cancelled_stream_stops_working(generate: Any) -> None:
    before = images_made(generate)
    arrived = generate.open_stream(CATEGORY=b"wallets", SEED=1, COUNT=1000, SCALE=2)
    _, error = arrived.get(timeout=120)
    assert error is None
    generate.client.stop_stream(cancel_requests=True)
    deadline = time.monotonic() + 60
    made = -1
    while made != images_made(generate):
        assert time.monotonic() < deadline, "it goes on"
        made = images_made(generate)
        time.sleep(1)
    assert 0 < made - before < 900


def test_callers_meet_in_the_networks(generate: Any) -> None:
    """More callers than are answered at a time: none is refused, and their pictures batch."""

    def batches() -> dict[int, int]:
        found = generate.client.get_inference_statistics("generator_net", as_json=True)
        entries = found["model_stats"][0].get("batch_stats", [])
        return {int(e["batch_size"]): int(e["compute_infer"]["count"]) for e in entries}

    before = batches()
    barrier = threading.Barrier(12)
    most = 0

    def ask(seed: int) -> int:
        barrier.wait()
        return int(generate(CATEGORY=b"flats", SEED=seed, COUNT=2)["OUTPUT_IMAGE"].shape[1])

    # Each request alone would be a batch of 2. As often as a busy machine needs for them to meet.
    while most <= 2:
        with ThreadPoolExecutor(12) as pool:
            assert list(pool.map(ask, range(12))) == [2] * 12
        most = max(size for size, count in batches().items() if count > before.get(size, 0))


@pytest.mark.parametrize("spec", GENERATION_FAMILY, ids=lambda spec: spec.name)
def test_the_supervisor_proves_it(spec: ModelSpec, enhancing_triton: TritonProcess) -> None:
    prober = ModelProber(
        spec.name,
        lambda timeout_s: GrpcEndpoint(enhancing_triton.endpoint_config, timeout_s),
        SupervisorOptions(probe_timeout_s=120.0),
        SupervisorMetrics(),
    )
    for _ in range(2):
        result = prober.probe()
        assert result.kind == "ok", result.reason
    over_http = HttpEndpoint(enhancing_triton.endpoint_config, 30.0)
    if spec.name in DECOUPLED:
        assert not over_http.streams
        with pytest.raises(ServingError, match="does not answer over HTTP"):
            over_http.stream(spec.name, {})


def test_a_stopping_server_answers_what_it_has_taken(
    enhancement_models: Any, own_config: Callable[..., ServerConfig]
) -> None:
    """Neither kind of request is lost half-way when a replica is replaced."""
    config = own_config(
        model_repository=enhancement_models.repository,
        model_control_mode="explicit",
        models=("generate", "generate_stream"),
    )
    request = {
        "CATEGORY": bytes_tensor([b"belts"]),
        "COUNT": np.array([[16]], np.int32),
        "SCALE": np.array([[2]], np.int32),
    }
    with TritonProcess(config, start_timeout_s=240.0) as server, ThreadPoolExecutor(4) as pool:
        endpoint = GrpcEndpoint(server.endpoint_config, 240.0)
        whole = [pool.submit(endpoint.infer, "generate", request) for _ in range(2)]
        streams = [pool.submit(endpoint.stream, "generate_stream", request) for _ in range(2)]
        deadline = time.monotonic() + 120
        while any(endpoint.executions(model) < 2 for model in config.models):
            assert time.monotonic() < deadline, "they were not all taken"
            time.sleep(0.02)
        server.stop()
        assert [answer.result()["OUTPUT_IMAGE"].shape for answer in whole] == [(1, 16)] * 2
        assert [len(answer.result()) for answer in streams] == [17] * 2
