"""The models that make pictures, through the client and the command line, on a live Triton."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from packshot.imaging import decode
from packshot.serving.process import TritonProcess
from packshot_client import (
    AsyncPackshotClient,
    ClientConfig,
    DeadlineExceededError,
    Enhance,
    InvalidInputError,
    OptimizedPicture,
    PackshotClient,
    Picture,
    ServerOverloadedError,
    UnknownPolicyError,
)

CONFIG = ClientConfig(
    model_timeouts_s=dict.fromkeys(
        ("enhance", "upscale", "optimize", "generate", "generate_stream"), 240.0
    )
)
"""Generous: the machine may have other things to do."""


@pytest.fixture
def client(enhancing_triton: TritonProcess) -> Iterator[PackshotClient]:
    with PackshotClient(enhancing_triton.grpc_address, config=CONFIG) as opened:
        yield opened


@pytest.fixture
def dark(photo_files: dict[str, bytes]) -> bytes:
    """A small photo, badly exposed and noisy."""
    with Image.open(io.BytesIO(photo_files["coffee"])) as opened:
        pixels = np.asarray(opened.convert("RGB").resize((240, 160)), np.float64)
    noise = np.random.default_rng(3).normal(0, 20, pixels.shape)
    buffer = io.BytesIO()
    picture = np.clip(pixels * 0.3 + noise, 0, 255).astype(np.uint8)
    Image.fromarray(picture).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def test_enhance_changes_the_pixels_and_nothing_else(client: PackshotClient, dark: bytes) -> None:
    picture = client.enhance(dark, request_id="order-1")
    assert (picture.format, picture.width, picture.height) == ("JPEG", 240, 160)
    assert (picture.model, picture.request_id) == ("enhance", "order-1")
    assert picture.size_bytes == len(picture.data)
    assert not np.array_equal(decode(picture.data).pixels_hwc_u8, decode(dark).pixels_hwc_u8)


def test_options_are_those_of_the_file(client: PackshotClient, dark: bytes) -> None:
    small = client.enhance(dark, format="webp", quality=40, max_side=120)
    assert (small.format, small.width, small.height) == ("WEBP", 120, 80)
    assert decode(small.data).format == "WEBP"
    assert client.enhance(dark, format="webp", quality=95, max_side=120).size_bytes > (
        small.size_bytes
    )


@pytest.mark.parametrize("scale", [2, 4])
def test_upscale(client: PackshotClient, dark: bytes, scale: int) -> None:
    picture = client.upscale(dark, scale, format="png")
    assert (picture.format, picture.width, picture.height) == ("PNG", 240 * scale, 160 * scale)
    assert decode(picture.data).pixels_hwc_u8.shape == (160 * scale, 240 * scale, 3)


def test_optimize_judges_as_score_does(client: PackshotClient, dark: bytes) -> None:
    best = client.optimize(dark, policy="google")
    assert best.after.score >= best.before.score
    for verdict, image in ((best.before, dark), (best.after, best.data)):
        scored = client.score(image, policy="google")
        assert verdict.score == pytest.approx(scored.score, abs=0.05)
        assert verdict.decision == scored.decision
        assert verdict.attributes.exposure == pytest.approx(scored.attributes.exposure, abs=0.01)
        assert verdict.policy == "google"
    assert best.changed == any(step.kept for step in best.steps)
    assert best.steps
    json.dumps(best.as_dict())


async def test_both_faces_give_the_same_pictures(
    enhancing_triton: TritonProcess, client: PackshotClient, dark: bytes
) -> None:
    address = enhancing_triton.grpc_address
    async with AsyncPackshotClient(address, config=CONFIG) as other:
        pairs: list[tuple[Picture, Picture]] = [
            (client.enhance(dark), await other.enhance(dark)),
            (client.upscale(dark, 2), await other.upscale(dark, 2)),
            (client.optimize(dark), await other.optimize(dark)),
        ]
    for first, second in pairs:
        assert dataclasses.replace(first, request_id="").data == second.data
        if isinstance(first, OptimizedPicture) and isinstance(second, OptimizedPicture):
            assert first.steps == second.steps


def test_the_servers_refusals_have_their_class(client: PackshotClient, dark: bytes) -> None:
    for call in (client.enhance, client.upscale, client.optimize):
        with pytest.raises(InvalidInputError, match="not a picture we read"):
            call(b"no picture")
    with pytest.raises(UnknownPolicyError, match="nowhere"):
        client.optimize(dark, policy="nowhere")
    with pytest.raises((DeadlineExceededError, ServerOverloadedError)):
        client.enhance(dark, timeout_s=0.01)


def test_map_gives_results_and_errors_in_order(client: PackshotClient, dark: bytes) -> None:
    images = [dark, b"no picture", "/nowhere.jpg", dark]
    outcomes = list(client.map(Enhance(format="webp"), images))
    names = [type(outcome).__name__ for outcome in outcomes]
    assert names == ["Picture", "InvalidInputError", "ImageSourceError", "Picture"]


async def test_map_in_asyncio(enhancing_triton: TritonProcess, dark: bytes) -> None:
    address = enhancing_triton.grpc_address
    async with AsyncPackshotClient(address, config=CONFIG) as client:
        done = [one async for one in client.map_as_completed(Enhance(), [dark, b"no picture"])]
    assert {one.index: type(one.outcome) for one in done} == {0: Picture, 1: InvalidInputError}


def test_generate_is_repeatable(client: PackshotClient) -> None:
    made = client.generate("watches", seed=11, count=3, scale=1)
    assert [picture.seed for picture in made] == [11, 12, 13]
    assert made.summary.complete
    assert made[1].digital_source_type.endswith("trainedAlgorithmicMedia")
    alone = client.generate("watches", seed=12, scale=1)
    assert alone[0].data == made[1].data
    streamed = list(client.generate_stream("watches", seed=11, count=3, scale=1))
    assert [picture.data for picture in streamed] == [picture.data for picture in made]


def test_a_score_that_nothing_reaches(client: PackshotClient) -> None:
    made = client.generate("heels", count=1, min_score=100, scale=1)
    assert len(made) == 0
    assert not made.summary.complete
    assert made.summary.message
    stream = client.generate_stream("heels", count=2, min_score=100, scale=1)
    assert list(stream) == []
    assert stream.summary is not None
    assert (stream.summary.final, stream.summary.complete) == (True, False)


def test_an_unknown_category_lists_those_known(client: PackshotClient) -> None:
    with pytest.raises(InvalidInputError, match="sunglasses"):
        client.generate("nonsense")
    with pytest.raises(InvalidInputError, match="sunglasses"):
        next(client.generate_stream("nonsense"))


def test_leaving_a_stream_frees_the_server(client: PackshotClient) -> None:
    def made() -> int:
        (statistics,) = client.stats("generator_net")
        return statistics.inferences

    with client.generate_stream("watches", count=1000, scale=1) as stream:
        for _ in range(2):
            next(stream)
    # It stops within a chunk, however many were asked for: wait until it makes no more.
    before, deadline = -1, time.monotonic() + 60
    while (now := made()) != before and time.monotonic() < deadline:
        before = now
        time.sleep(1.0)
    assert made() == before
    assert len(client.generate("watches", scale=1)) == 1


async def test_a_stream_in_asyncio(enhancing_triton: TritonProcess) -> None:
    address = enhancing_triton.grpc_address
    async with AsyncPackshotClient(address, config=CONFIG) as client:
        stream = client.generate_stream("belts", seed=1, count=4, scale=1)
        assert [picture.seed async for picture in stream] == [1, 2, 3, 4]
        task = asyncio.ensure_future(anext(client.generate_stream("belts", count=1000)))
        await asyncio.sleep(0.05)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert len(await client.generate("belts", scale=1)) == 1


def packshot(triton: TritonProcess, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "packshot_client.cli", *map(str, arguments)]
    if arguments[0] != "verify-watermark":
        command += ["--server", triton.grpc_address]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=280, check=False
    )


@pytest.fixture
def folder(dark: bytes, photo_files: dict[str, bytes], tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    (photos / "inner").mkdir(parents=True)
    (photos / "dark.jpg").write_bytes(dark)
    with Image.open(io.BytesIO(photo_files["rocket"])) as opened:
        opened.resize((200, 160)).save(photos / "inner" / "rocket.png")
    (photos / "broken.jpg").write_bytes(b"no picture")
    return photos


def test_optimize_on_the_command_line(
    enhancing_triton: TritonProcess, folder: Path, tmp_path: Path
) -> None:
    out, html = tmp_path / "fixed", tmp_path / "report.html"
    options = ["--out", out, "--html", html, "--policy", "google", "--timeout", 240]
    done = packshot(enhancing_triton, "optimize", folder, *options, "--json")
    assert done.returncode == 3, done.stderr
    records = {Path(record["file"]).name: record for record in json.loads(done.stdout)}
    assert records["broken.jpg"]["error"]["type"] == "InvalidInputError"
    for name, place in (("dark.jpg", "dark.jpg"), ("rocket.png", "inner/rocket.png")):
        assert records[name]["out"] == str(out / place)
        assert records[name]["gain"] >= 0
        assert decode((out / place).read_bytes()).width == records[name]["width"]
    page = html.read_text("utf-8")
    assert "broken.jpg" in page
    assert "data:image/jpeg;base64," in page


def test_enhance_and_upscale_on_the_command_line(
    enhancing_triton: TritonProcess, folder: Path, tmp_path: Path
) -> None:
    (folder / "broken.jpg").unlink()
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    options = ["--out", tmp_path / "out", "--format", "webp", "--timeout", 240]
    for command, width in (("enhance", 240), ("upscale", 480)):
        done = packshot(enhancing_triton, command, folder, *options)
        assert done.returncode == 0, done.stderr
        assert decode((tmp_path / "out" / "dark.webp").read_bytes()).width == width
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


def test_generate_on_the_command_line(enhancing_triton: TritonProcess, tmp_path: Path) -> None:
    sheet, out = tmp_path / "sheet.png", tmp_path / "out"
    options = ["--category", "watches", "--count", 4, "--seed", 5, "--sheet", sheet, "--out", out]
    done = packshot(enhancing_triton, "generate", *options)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == [f"watches-{n}.png" for n in range(5, 9)]
    # The sheet says it in its metadata, the pictures do so too.
    verified = packshot(enhancing_triton, "verify-watermark", sheet, *out.iterdir(), "--json")
    assert verified.returncode == 0, verified.stderr
    for record in json.loads(verified.stdout):
        assert record["digital_source_type"].endswith("trainedAlgorithmicMedia")
    unknown = packshot(enhancing_triton, "generate", "--category", "nonsense", "--out", out)
    assert unknown.returncode == 2
    assert "sunglasses" in unknown.stderr
