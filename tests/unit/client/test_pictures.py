"""Results with pictures in them: how they are read, saved and shown."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from packshot_client import ConfigError, OptimizedPicture, Picture, UnreadableError
from packshot_client._picture_answers import optimized_results, picture_results


@pytest.fixture
def result(optimized: Any) -> OptimizedPicture:
    return optimized_results(optimized)[0]


def test_a_response_becomes_a_result(result: OptimizedPicture) -> None:
    assert (result.data, result.format, result.width, result.height) == (b"picture", "JPEG", 64, 48)
    assert result.size_bytes == 7
    assert result.gain == pytest.approx(8.5)
    assert (result.before.decision, result.after.decision) == ("review", "accept")
    assert result.before.attributes.sharpness == 0.5
    assert result.after.score == 70.0
    assert [(step.fix, step.kept, step.why) for step in result.steps] == [
        ("tone", False, "no_gain"),
        ("restore", True, "better"),
    ]
    assert result.beyond_repair[0].text.in_language("zh") == "请后退。"
    assert (result.model, result.model_version, result.request_id) == ("optimize", "1", "abc")


def test_the_picture_is_in_no_repr_and_no_json(result: OptimizedPicture) -> None:
    assert "picture" not in repr(result).replace("OptimizedPicture", "")
    document = json.loads(json.dumps(result.as_dict()))
    assert document["size_bytes"] == 7
    assert document["steps"][1]["gain"] == 8.5
    assert "data" not in document
    assert result.without_data() == dataclasses.replace(result, data=b"")


@pytest.mark.parametrize("name", ["SCORES", "VERDICT_AFTER", "STEPS", "OUTPUT_FACTS"])
def test_a_missing_output_is_named(optimized: Any, name: str) -> None:
    index = [tensor.name for tensor in optimized.outputs].index(name)
    del optimized.outputs[index]
    del optimized.raw_output_contents[index]
    with pytest.raises(UnreadableError, match=name):
        optimized_results(optimized)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("STEPS", {"schema": 2}, "STEPS has schema 2, this client reads schema 1"),
        ("STEPS", {"schema": 1}, "STEPS is not as agreed"),
        ("VERDICT_BEFORE", {"schema": 9}, "VERDICT_BEFORE"),
        ("OUTPUT_FACTS", {"format": "JPEG"}, "OUTPUT_FACTS is not as agreed"),
    ],
)
def test_what_cannot_be_read_is_named(
    optimized: Any, name: str, content: dict[str, Any], words: str
) -> None:
    index = [tensor.name for tensor in optimized.outputs].index(name)
    data = json.dumps(content).encode()
    optimized.raw_output_contents[index] = len(data).to_bytes(4, "little") + data
    with pytest.raises(UnreadableError, match=words):
        optimized_results(optimized)


@pytest.fixture
def picture(optimized: Any) -> Picture:
    return picture_results(optimized)[0]


@pytest.mark.parametrize(
    ("given", "written"),
    [("a.jpg", "a.jpg"), ("a.JPEG", "a.JPEG"), ("a", "a.jpg"), ("a.v2", "a.v2")],
)
def test_save(picture: Picture, tmp_path: Path, given: str, written: str) -> None:
    assert picture.save(str(tmp_path / given)) == tmp_path / written
    assert (tmp_path / written).read_bytes() == b"picture"


def test_save_under_the_name_of_another_format(picture: Picture, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the picture is JPEG, and a\.png .* as a\.jpg"):
        picture.save(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError):
        picture.save(tmp_path / "nowhere" / "a.jpg")
