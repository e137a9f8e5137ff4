"""Image sources to bytes, bytes to messages."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tritonclient.grpc import service_pb2

from packshot.contracts import QUALITY
from packshot_client import ConfigError, ImageSourceError
from packshot_client._images import image_bytes, is_in_memory
from packshot_client._protocol import InferRequest
from packshot_client._request_ids import RequestIds, checked_request_id
from packshot_client._requests import RequestForm, SharedPixels, bytes_elements

FORM = RequestForm(QUALITY)


def request(**changes: Any) -> InferRequest:
    tensors = {"IMAGE": [b"one", b"three"]}
    return FORM.request(**{"tensors": tensors, "batch": 2, "request_id": "r1", **changes})


def on_the_wire(request: InferRequest) -> Any:
    """The request as a server reads it, by the protocol's own message."""
    return service_pb2.ModelInferRequest.FromString(request.encode())


def test_every_kind_of_source_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"data")
    with path.open("rb") as opened:
        sources = (path, str(path), b"data", bytearray(b"data"), memoryview(b"data"), opened)
        assert {image_bytes(source, 4) for source in sources} == {b"data"}
    assert image_bytes(io.BytesIO(b"data"), 4) == b"data"


def test_only_paths_and_files_may_block(tmp_path: Path) -> None:
    assert is_in_memory(b"data")
    assert is_in_memory(io.BytesIO(b"data"))
    assert not is_in_memory(tmp_path)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"", "is empty"),
        (b"12345", r"5 bytes or more, at most 4 are sent: .* max_image_bytes"),
        (io.BytesIO(b"12345"), "at most 4"),
        (io.StringIO("text"), "open it in binary mode"),
        (7, "must be a path, bytes or a file object .* got int"),
        (None, "got NoneType"),
        ("/nowhere/a.jpg", "/nowhere/a.jpg cannot be read: No such file"),
        ("nul\0byte.jpg", "cannot be read"),
        (Path("/"), "cannot be read|at most 4"),
    ],
)
def test_a_source_that_cannot_be_read_says_why(source: Any, words: str) -> None:
    with pytest.raises(ImageSourceError, match=words):
        image_bytes(source, 4)


def test_a_closed_file_says_so() -> None:
    stream = io.BytesIO(b"data")
    stream.close()
    with pytest.raises(ImageSourceError, match="closed file"):
        image_bytes(stream, 4)


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(ImageSourceError, match="at most"):
        image_bytes(path, 1 << 20)


def test_bytes_elements_carry_their_length_little_endian() -> None:
    assert b"".join(bytes_elements([b"ab", b""])) == b"\x02\0\0\0ab\0\0\0\0"


def test_request_has_the_contract() -> None:
    message = on_the_wire(request())
    assert (message.model_name, message.model_version, message.id) == ("quality", "", "r1")
    assert [(t.name, t.datatype, list(t.shape)) for t in message.inputs] == [
        ("IMAGE", "BYTES", [2, 1])
    ]
    assert [tensor.name for tensor in message.outputs] == ["SCORE", "ATTRIBUTES", "VERDICT"]
    length = struct.pack("<I", 3)
    assert message.raw_input_contents[0].startswith(length + b"one")


def test_an_optional_input_goes_along_for_each_image() -> None:
    message = on_the_wire(request(tensors={"POLICY": [b"google"] * 2, "IMAGE": [b"one", b"two"]}))
    assert [(t.name, list(t.shape)) for t in message.inputs] == [
        ("IMAGE", [2, 1]),
        ("POLICY", [2, 1]),
    ]
    assert message.raw_input_contents[1] == b"".join(bytes_elements([b"google", b"google"]))


def test_shared_memory_is_named_and_nothing_sent_inline() -> None:
    place = SharedPixels(region="r", offset=64, byte_size=32)
    assert on_the_wire(request()).raw_input_contents
    message = on_the_wire(request(tensors={"IMAGE": place}))
    parameters = message.inputs[0].parameters
    assert parameters["shared_memory_region"].string_param == "r"
    assert parameters["shared_memory_offset"].int64_param == 64
    assert parameters["shared_memory_byte_size"].int64_param == 32
    assert not message.raw_input_contents


def test_contents_of_any_size_arrive_whole() -> None:
    for size in (0, 1, 119, 123, 124, 127, 128, 16_379, 16_380, 70_000, 2_097_148, 3_000_000):
        image = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        message = on_the_wire(request(tensors={"IMAGE": [image]}, batch=1))
        assert message.raw_input_contents[0] == struct.pack("<I", size) + image


def test_version_and_the_time_limit_in_microseconds_change_between_attempts() -> None:
    asked = request(model_version="7")
    assert on_the_wire(asked).model_version == "7"
    asked.set_timeout(1.5)
    assert on_the_wire(asked).parameters["timeout"].int64_param == 1_500_000
    asked.set_timeout(1e-9)
    asked.ask("", "")
    message = on_the_wire(asked)
    assert message.parameters["timeout"].int64_param == 1
    assert (message.model_version, asked.model_version) == ("", "")
    assert (message.model_name, asked.model_name) == ("quality", "")
    asked.ask("quality_canary", "2")
    message = on_the_wire(asked)
    assert (message.model_name, message.model_version) == ("quality_canary", "2")
    assert message.raw_input_contents


@pytest.mark.parametrize("seconds", [1e-4, 127e-6, 128e-6, 0.5, 10.0, 300.0, 86_400.0])
def test_any_time_limit_arrives(seconds: float) -> None:
    asked = request()
    asked.set_timeout(seconds)
    message = on_the_wire(asked)
    assert message.parameters["timeout"].int64_param == round(seconds * 1e6)
    assert len(message.parameters) == 1


@pytest.mark.parametrize("identity", ["1", "x" * 127, "x" * 128, "商" * 256])
def test_any_request_id_arrives(identity: str) -> None:
    assert on_the_wire(request(request_id=identity)).id == identity


@pytest.mark.parametrize("identity", ["", "x" * 257, 7, "\ud800"])
def test_what_cannot_be_a_request_id_says_why(identity: Any) -> None:
    with pytest.raises(ConfigError, match="request_id must be"):
        checked_request_id(identity)


def test_no_two_request_ids_are_the_same() -> None:
    made = [maker.new() for maker in (RequestIds(), RequestIds()) for _ in range(1000)]
    assert len(set(made)) == 2000
    assert {len(identity) for identity in made} == {32}


def test_a_fork_makes_request_ids_of_its_own() -> None:
    # Not forked here: this process has threads.
    script = (
        "import os; from packshot_client._request_ids import REQUEST_IDS as ids\n"
        "child = os.fork(); os.write(1, f'{ids.new()} '.encode()); child and os.wait()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert len(set(done.stdout.split())) == 2


def test_requests_of_a_kind_do_not_touch_each_other() -> None:
    first, second = request(), request(batch=1, tensors={"IMAGE": [b"two"]}, request_id="r2")
    assert [list(on_the_wire(one).inputs[0].shape) for one in (first, second)] == [[2, 1], [1, 1]]
    assert [on_the_wire(one).id for one in (first, second)] == ["r1", "r2"]
