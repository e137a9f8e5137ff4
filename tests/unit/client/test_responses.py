"""Messages to results."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import msgspec
import pytest

from packshot.contracts import ATTRIBUTES, GRID, LEARNED_ATTRIBUTES
from packshot_client import Attributes, QualityResult
from packshot_client._outputs import UnreadableError
from packshot_client._verdicts import quality_results


def map_with(value: Any) -> list[Any]:
    """A quality map with ``value`` in one place."""
    planes: list[Any] = [[[0.5] * GRID for _ in range(GRID)] for _ in LEARNED_ATTRIBUTES]
    planes[3][2][1] = value
    return planes


def test_a_response_becomes_a_result(result: QualityResult) -> None:
    assert (result.score, result.uncertainty, result.grade) == (61.5, 4.25, "medium")
    assert (result.decision, result.policy, result.worst_attribute) == (
        "review",
        "default",
        "sharpness",
    )
    assert (result.model, result.model_version, result.request_id) == ("quality", "3", "abc")
    assert result.attributes.sharpness == pytest.approx(0.1)
    assert result.attributes.composition == pytest.approx(0.8)
    assert result.reasons[0].message.in_language("en") == "The photo is soft."
    assert result.reasons[0].measured == 0.31
    assert result.advice[0].text.in_language("zh") == "请使用三脚架。"
    assert (result.image.width, result.image.size_bytes) == (640, 34567)
    assert result.image.composition.fill_ratio == 0.62
    assert result.quality_map is not None
    assert result.quality_map[6][6][6] == 0.5


def test_attributes_are_those_of_the_contract() -> None:
    assert tuple(field.name for field in dataclasses.fields(Attributes)) == ATTRIBUTES


def test_a_result_is_ready_for_json(result: QualityResult) -> None:
    read = json.loads(json.dumps(result.as_dict()))
    assert read["attributes"].keys() == set(ATTRIBUTES)
    assert read["image"]["composition"]["border"] is False


def test_a_result_cannot_be_changed(result: QualityResult) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.score = 100.0  # type: ignore[misc]


def test_fields_that_are_read_late_are_as_if_read_at_once(
    verdict: dict[str, Any], respond: Callable[..., Any]
) -> None:
    def fresh() -> QualityResult:
        return quality_results(respond(verdict))[0]

    names = [field.name for field in dataclasses.fields(QualityResult)]
    whole = QualityResult(**{name: getattr(fresh(), name) for name in names})
    assert fresh() == whole
    assert hash(fresh()) == hash(whole)
    assert repr(fresh()) == repr(whole)
    assert fresh().as_dict() == dataclasses.asdict(fresh()) == dataclasses.asdict(whole)
    for copied in (
        pickle.loads(pickle.dumps(fresh())),
        copy.copy(fresh()),
        copy.deepcopy(fresh()),
        dataclasses.replace(fresh()),
    ):
        assert copied == whole
    assert msgspec.json.decode(msgspec.json.encode(fresh()), type=QualityResult) == whole
    for part in (fresh().attributes, fresh().image):
        same = type(part)(**{field.name: getattr(part, field.name) for field in fields(part)})
        assert (same, hash(same), repr(same)) == (part, hash(part), repr(part))
        assert vars(same) == vars(pickle.loads(pickle.dumps(part)))
    one = fresh()
    assert one.quality_map is one.quality_map
    assert one.image is one.image


def test_a_result_has_no_other_attributes(result: QualityResult) -> None:
    assert not hasattr(result, "verdict")
    with pytest.raises(AttributeError, match="QualityResult has no attribute 'shcema'"):
        result.shcema  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("number", [0, -1, 1e-7, 1.5e300, 0.123456789])
def test_a_map_may_have_any_numbers(
    verdict: dict[str, Any], respond: Callable[..., Any], number: float
) -> None:
    verdict["quality_map"] = map_with(number)
    result = quality_results(respond(json.dumps(verdict, indent=1).encode()))[0]
    assert result.quality_map is not None
    assert result.quality_map[3][2][1] == number


def test_a_batch_keeps_its_order(verdict: dict[str, Any], respond: Callable[..., Any]) -> None:
    results = quality_results(respond(verdict, {**verdict, "policy": "b"}, scores=[1.0, 2.0]))
    assert [(result.score, result.policy) for result in results] == [(1.0, "default"), (2.0, "b")]


def test_unknown_keys_are_ignored(verdict: dict[str, Any], respond: Callable[..., Any]) -> None:
    verdict["new"] = {"x": 1}
    verdict["image"]["tone"] = {"brightness": 0.5}
    verdict["reasons"][0]["new"] = 1
    assert quality_results(respond(verdict))[0].decision == "review"


def test_what_may_be_null(verdict: dict[str, Any], respond: Callable[..., Any]) -> None:
    verdict["quality_map"] = None
    verdict["reasons"][0].update(attribute=None, measured=None)
    verdict["advice"][0]["attribute"] = None
    verdict["image"]["composition"].update(fill_ratio=None, centre_offset=None, touches_edge=None)
    result = quality_results(respond(verdict))[0]
    assert result.quality_map is None
    assert result.reasons[0].measured is None
    assert result.image.composition.touches_edge is None


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every key and index on the way to a leaf of a verdict, but for the map's numbers."""
    found = []
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list) and prefix != ("quality_map",):
        items = enumerate(value)
    for key, inner in items:
        found += [(*prefix, key), *paths(inner, (*prefix, key))]
    return found


def test_every_missing_field_is_named(verdict: dict[str, Any], respond: Callable[..., Any]) -> None:
    # The numbers of these two are read from the tensors.
    from_tensors = {"score", "attributes"}
    named = 0
    for path in paths(verdict):
        if path[0] in from_tensors or isinstance(path[-1], int):
            continue
        broken = json.loads(json.dumps(verdict))
        parent = broken
        for key in path[:-1]:
            parent = parent[key]
        del parent[path[-1]]
        with pytest.raises(UnreadableError, match=rf"missing required field `{path[-1]}`"):
            quality_results(respond(broken))
        named += 1
    assert named > 30


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "schema 2, this client reads schema 1"),
        ({"schema": True}, r"Expected `int`, got `bool` - at `\$.schema`"),
        ({"decision": "maybe"}, r"Invalid enum value 'maybe' - at `\$.decision`"),
        ({"uncertainty": "low"}, r"Expected `float`, got `str` - at `\$.uncertainty`"),
        ({"reasons": {}}, r"Expected `array`, got `object` - at `\$.reasons`"),
        ({"advice": ["words"]}, r"Expected `object`, got `str` - at `\$.advice\[0\]`"),
        ({"image": None}, r"Expected `object`, got `null` - at `\$.image`"),
        ({"quality_map": [[[0.5]]]}, r"`array` of length >= 7 - at `\$.quality_map\[0\]\[0\]`"),
        ({"quality_map": 3}, r"got `int` - at `\$.quality_map`"),
        ({"quality_map": map_with("high")}, r"got `str` - at `\$.quality_map\[3\]\[2\]\[1\]"),
        ({"quality_map": map_with(None)}, r"got `null` - at `\$.quality_map\[3\]\[2\]\[1\]"),
        ({"quality_map": map_with([])}, r"got `array` - at `\$.quality_map\[3\]\[2\]\[1\]"),
    ],
)
def test_a_wrong_field_is_named(
    verdict: dict[str, Any], respond: Callable[..., Any], change: dict[str, Any], words: str
) -> None:
    with pytest.raises(UnreadableError, match=words):
        quality_results(respond({**verdict, **change}))


def test_what_is_no_json(respond: Callable[..., Any]) -> None:
    with pytest.raises(UnreadableError, match="VERDICT is not JSON"):
        quality_results(respond(b"\xff"))


def test_missing_cut_and_wrong_tensors(
    verdict: dict[str, Any], respond: Callable[..., Any]
) -> None:
    cut = respond(verdict)
    cut.raw_output_contents[2] = cut.raw_output_contents[2][:-1]
    with pytest.raises(UnreadableError, match="VERDICT ends inside its element 0"):
        quality_results(cut)
    cut.raw_output_contents[2] = b"\1\0"
    with pytest.raises(UnreadableError, match="VERDICT ends inside its element 0"):
        quality_results(cut)
    cut.raw_output_contents[0] = b"\0"
    with pytest.raises(UnreadableError, match="SCORE has 1 bytes"):
        quality_results(cut)
    missing = respond(verdict)
    del missing.outputs[2]
    with pytest.raises(UnreadableError, match="VERDICT is missing, got SCORE, ATTRIBUTES"):
        quality_results(missing)
    wrong = respond(verdict)
    wrong.outputs[0].datatype = "FP64"
    with pytest.raises(UnreadableError, match="SCORE came as FP64"):
        quality_results(wrong)
    with pytest.raises(UnreadableError, match="1 verdicts, 2 scores"):
        quality_results(respond(verdict, scores=[1.0, 2.0]))
