"""The client and the command line against a live Triton with the real models."""

from __future__ import annotations

import asyncio
import csv
import dataclasses
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from packshot.contracts import DECISIONS, split_fault
from packshot.serving.process import TritonProcess
from packshot_client import (
    AsyncPackshotClient,
    DeadlineExceededError,
    InvalidInputError,
    PackshotClient,
    QualityResult,
    ServerOverloadedError,
    UnknownPolicyError,
)


@pytest.fixture
def client(triton: TritonProcess) -> Iterator[PackshotClient]:
    """A client of the session's server."""
    with PackshotClient(triton.grpc_address) as opened:
        yield opened


def test_a_server_that_hides_its_repository_tells_of_the_served_models(
    client: PackshotClient,
) -> None:
    states = client.models()
    assert {"quality", "quality_net"} <= {state.name for state in states}
    assert {state.state for state in states} == {"READY"}


async def test_it_tells_asyncio_the_same(client: PackshotClient, triton: TritonProcess) -> None:
    async with AsyncPackshotClient(triton.grpc_address) as other:
        assert await other.models() == client.models()


@pytest.fixture
def coffee(photo_files: dict[str, bytes]) -> bytes:
    """One real photograph."""
    return photo_files["coffee"]


@pytest.fixture
def folder(photo_files: dict[str, bytes], tmp_path: Path) -> Path:
    """A folder of two real photographs."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("coffee", "chelsea"):
        (photos / f"{name}.jpg").write_bytes(photo_files[name])
    return photos


def without_id(result: QualityResult) -> QualityResult:
    return dataclasses.replace(result, request_id="")


def test_path_bytes_and_file_object_score_the_same(
    client: PackshotClient, coffee: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "coffee.jpg"
    path.write_bytes(coffee)
    with path.open("rb") as opened:
        results = [client.score(source) for source in (path, str(path), coffee, opened)]
    first = without_id(results[0])
    assert all(without_id(result) == first for result in results)
    assert 0 <= first.score <= 100
    assert first.decision in DECISIONS
    assert all(0 <= value <= 1 for value in first.attributes.as_dict().values())
    assert (first.image.format, first.image.width, first.image.height) == ("JPEG", 600, 400)
    assert first.image.size_bytes == len(coffee)
    assert first.quality_map is not None
    assert (first.model, first.policy) == ("quality", "default")


def test_the_request_id_comes_back(client: PackshotClient, coffee: bytes) -> None:
    ids = {client.score(coffee).request_id for _ in range(3)}
    assert len(ids) == 3
    assert all(len(request_id) == 32 for request_id in ids)


async def test_async_equals_sync(
    triton: TritonProcess, client: PackshotClient, photo_files: dict[str, bytes]
) -> None:
    images = list(photo_files.values())
    async with AsyncPackshotClient(triton.grpc_address) as other:
        found = await asyncio.gather(*(other.score(image) for image in images))
        assert (await other.health()).answering
    assert [r.image for r in found] == [client.score(image).image for image in images]
    for result, image in zip(found, images, strict=True):
        # Batched with others or alone, the network's sums may differ in the last digits.
        assert result.score == pytest.approx(client.score(image).score, abs=0.05)


def test_one_bad_image_among_good_ones_fails_alone(client: PackshotClient, coffee: bytes) -> None:
    outcomes = list(client.score_many([coffee, b"no picture", coffee[:2000], coffee]))
    assert [isinstance(outcome, QualityResult) for outcome in outcomes] == [
        True,
        False,
        False,
        True,
    ]
    for error in outcomes[1:3]:
        assert type(error) is InvalidInputError
        assert error.status == "INVALID_ARGUMENT"
        assert not error.message.startswith(("in ensemble", "[request id"))


def test_a_policy_by_name_and_one_that_is_not_there(client: PackshotClient, coffee: bytes) -> None:
    assert client.score(coffee, policy="google").policy == "google"
    with pytest.raises(UnknownPolicyError, match="nowhere") as caught:
        client.score(coffee, policy="nowhere")
    assert caught.value.status == "INVALID_ARGUMENT"
    assert split_fault(caught.value.server_message)[1] == "unknown_policy"
    assert "[packshot:" not in caught.value.message
    both = list(client.score_many([coffee] * 2, policy="nowhere", batch_size=2))
    assert [type(outcome) for outcome in both] == [UnknownPolicyError] * 2


def test_a_deadline_too_short_is_held(client: PackshotClient, coffee: bytes) -> None:
    client.score(coffee)
    with pytest.raises((DeadlineExceededError, ServerOverloadedError)) as caught:
        client.score(coffee, timeout_s=0.001)
    assert caught.value.call.elapsed_s < 30
    assert client.score(coffee).score >= 0


def test_health(client: PackshotClient) -> None:
    assert client.server_ready()
    health = client.health()
    assert (health.reachable, health.ready, health.answering) == (True, True, True)
    assert health.problem == ""
    assert health.version


def packshot(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "packshot_client.cli", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False
    )


def test_command_line_end_to_end(triton: TritonProcess, folder: Path, tmp_path: Path) -> None:
    (folder / "broken.jpg").write_bytes(b"no picture")
    html, table = tmp_path / "report.html", tmp_path / "out.csv"
    options = ["--server", triton.grpc_address, "--json", "--html", html, "--csv", table]
    done = packshot("score", folder, *options)
    assert done.returncode == 3, done.stderr
    records = {Path(record["file"]).stem: record for record in json.loads(done.stdout)}
    assert records["broken"]["error"]["type"] == "InvalidInputError"
    assert records["coffee"]["decision"] in DECISIONS
    rows = list(csv.DictReader(io.StringIO(table.read_text("utf-8"))))
    assert [Path(row["file"]).stem for row in rows] == ["broken", "chelsea", "coffee"]
    assert float(rows[2]["score"]) == pytest.approx(records["coffee"]["score"], abs=0.06)
    page = html.read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") == 2
    assert "broken.jpg" in page


def test_command_line_exit_codes(triton: TritonProcess, folder: Path) -> None:
    server = ["--server", triton.grpc_address]
    never = packshot("score", folder, *server, "--fail-on", "never")
    assert never.returncode == 0, never.stderr
    assert "coffee.jpg" in never.stdout
    unknown = packshot("score", folder, *server, "--policy", "nowhere")
    assert unknown.returncode == 3
    assert "nowhere" in unknown.stdout
    assert packshot("health", *server).returncode == 0
