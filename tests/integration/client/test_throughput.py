"""Packed requests, versions, shared memory and described models against real Triton."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from packshot.contracts import IMAGE, QUALITY, VERDICT, ModelSpec
from packshot.serving.process import TritonProcess
from packshot_client import (
    AsyncPackshotClient,
    Canary,
    ClientConfig,
    ImageResult,
    InvalidInputError,
    Model,
    PackshotClient,
    PixelViews,
    QualityResult,
    image_results,
)
from packshot_client._shared_memory import unregistration

REGIONS = Path("/dev/shm")


def regions() -> set[str]:
    return {path.name for path in REGIONS.glob("packshot_pixels_*")}


def settled_inferences(client: PackshotClient) -> int:
    """Images scored so far; Triton counts them a moment after it has answered."""
    found, before = client.stats("quality")[0].inferences, -1
    while found != before:
        time.sleep(0.5)
        found, before = client.stats("quality")[0].inferences, found
    return found


def test_one_bad_image_of_a_packed_request_fails_alone(start_replica: Callable[..., Any]) -> None:
    replica = start_replica()
    images = [b"good"] * 5 + [b"bad"] + [b"good"] * 6
    with PackshotClient(replica.address) as client:
        before = settled_inferences(client)
        outcomes = list(client.score_many(images, batch_size=4))
        asked = settled_inferences(client) - before
    assert [type(outcome) for outcome in outcomes] == [
        InvalidInputError if image == b"bad" else QualityResult for image in images
    ]
    # Three packs of four, and the spoilt one once more image by image.
    assert asked == 12 + 4
    assert "of 4" not in str(outcomes[5])


async def test_packed_and_as_completed_in_asyncio(start_replica: Callable[..., Any]) -> None:
    replica = start_replica()
    images = [b"good"] * 9 + [b"bad"]

    async def source() -> Any:
        for image in images:
            yield image

    async with AsyncPackshotClient(replica.address) as client:
        found = [scored async for scored in client.score_as_completed(source(), batch_size=4)]
    assert sorted(scored.index for scored in found) == list(range(10))
    failed = [scored.index for scored in found if not isinstance(scored.outcome, QualityResult)]
    assert failed == [9]


def test_a_canary_gets_its_share_and_keys_stick(start_replica: Callable[..., Any]) -> None:
    replica = start_replica(versions=2, canary=True)
    config = ClientConfig(model_versions={"quality": "1"}, canary=Canary(version="2", share=0.3))
    with PackshotClient(replica.address, config=config) as client:
        versions = [client.score(b"good").model_version for _ in range(300)]
        by_key = {
            key: {client.score(b"good", canary_key=key).model_version for _ in range(5)}
            for key in map(str, range(30))
        }
    assert 50 < versions.count("2") < 130
    assert all(len(found) == 1 for found in by_key.values())
    assert {next(iter(found)) for found in by_key.values()} == {"1", "2"}
    elsewhere = dataclasses.replace(config, canary=Canary(served_as="quality_canary", share=0.3))
    with PackshotClient(replica.address, config=elsewhere) as client:
        results = [client.score(b"good") for _ in range(100)]
    assert {result.model for result in results} == {"quality", "quality_canary"}
    assert {result.model_version for result in results} == {"1"}


def test_a_canary_that_is_withdrawn_costs_nobody_an_answer(
    start_replica: Callable[..., Any],
) -> None:
    replica = start_replica()
    for canary in (Canary(version="7", share=1.0), Canary(served_as="quality_canary", share=1.0)):
        with PackshotClient(replica.address, config=ClientConfig(canary=canary)) as client:
            answered = {(r.model, r.model_version) for r in (client.score(b"x") for _ in range(5))}
        assert answered == {("quality", "1")}


def test_pixels_through_shared_memory_and_over_the_network_score_the_same(
    triton: TritonProcess, photo_files: dict[str, bytes]
) -> None:
    from packshot.imaging import decode

    pixels = decode(photo_files["coffee"]).pixels_hwc_u8
    before = regions()
    with (
        PackshotClient(triton.grpc_address) as plain,
        PackshotClient(triton.grpc_address, config=ClientConfig(shared_memory=True)) as shared,
    ):
        through_network = plain.score_pixels(pixels)
        through_memory = shared.score_pixels(pixels)
        assert len(regions() - before) == 1
        assert through_memory.score == pytest.approx(through_network.score, abs=0.05)
        assert plain.score(pixels).score == pytest.approx(through_network.score, abs=0.05)
        other = np.zeros_like(pixels)
        assert shared.score_pixels(other).score != pytest.approx(through_memory.score, abs=0.5)
    assert regions() == before


async def test_shared_memory_in_asyncio_survives_a_lost_registration(
    triton: TritonProcess,
) -> None:
    view = np.full((224, 224, 3), 128, dtype=np.uint8)
    views = PixelViews(global_view=view, fragments=view)
    config = ClientConfig(shared_memory=True)
    async with AsyncPackshotClient(triton.grpc_address, config=config) as client:
        first = await client.score_pixels(views)
        # As after a restart of the server: it knows the region no more.
        region = client._core.region
        assert region is not None
        await client._transport.send(unregistration(region.name, 5.0))
        assert (await client.score_pixels(views)).score == pytest.approx(first.score, abs=0.01)


CRASH = """
import os, sys, numpy as np
from packshot_client import ClientConfig, PackshotClient, PixelViews
view = np.zeros((224, 224, 3), dtype=np.uint8)
client = PackshotClient(sys.argv[1], config=ClientConfig(shared_memory=True))
client.score_pixels(PixelViews(global_view=view, fragments=view))
print("ready", flush=True)
import time; time.sleep(60)
"""


def test_what_a_crash_leaves_is_cleared_away(triton: TritonProcess) -> None:
    before = regions()
    command = [sys.executable, "-c", CRASH, triton.grpc_address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as crashing:
        assert crashing.stdout is not None
        assert crashing.stdout.readline() == "ready\n"
        os.kill(crashing.pid, signal.SIGKILL)
    left = regions() - before
    assert len(left) == 1
    view = np.zeros((224, 224, 3), dtype=np.uint8)
    config = ClientConfig(shared_memory=True)
    with PackshotClient(triton.grpc_address, config=config) as client:
        client.score_pixels(PixelViews(global_view=view, fragments=view))
        assert not left & regions()
    assert regions() == before


def test_a_model_is_a_few_lines(start_replica: Callable[..., Any]) -> None:
    """As ``enhance`` will be described; here the canned model stands in for it."""
    replica = start_replica()
    spec = ModelSpec(name=QUALITY.name, inputs=(IMAGE,), outputs=(VERDICT,), max_batch_size=1)
    enhance: Model[ImageResult] = Model(
        spec=spec, read=partial(image_results, image="VERDICT", info="VERDICT")
    )
    with PackshotClient(replica.address) as client:
        result = client.run(enhance, {"IMAGE": b"good"})
    assert result.data.startswith(b"{")
    assert result.info["decision"] == "accept"
    assert result.model == "quality"


def test_models_and_statistics(start_replica: Callable[..., Any]) -> None:
    replica = start_replica(delay_ms=5, versions=2, server={"model_control_mode": "explicit"})
    with PackshotClient(replica.address) as client:
        for _ in range(4):
            client.score(b"good")
        states = client.models()
        while (latest := client.stats("quality")[1]).inferences < 4:
            time.sleep(0.05)  # It counts a moment after it has answered.
    assert [(m.name, m.version, m.state) for m in states] == [
        ("quality", "1", "READY"),
        ("quality", "2", "READY"),
    ]
    assert latest.request_ms >= latest.compute_ms >= 5
