"""Operations: what is sent for them, and what is refused before anything is sent."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from tritonclient.grpc import service_pb2

from packshot.contracts import ModelSpec, TensorSpec
from packshot_client import ConfigError, Enhance, Model, Optimize, Score, Upscale
from packshot_client._picture_answers import picture_results


def sent(operation: Any, image: bytes = b"photo") -> dict[str, tuple[str, list[int], bytes]]:
    """Datatype, shape and raw bytes of each input, as they would travel."""
    elements = operation.model.elements(operation.inputs(image), 1000)
    tensors = operation.model.stacked([elements])
    request = operation.model.form.request(tensors, batch=1, request_id="r")
    message = service_pb2.ModelInferRequest.FromString(request.encode())
    return {
        tensor.name: (tensor.datatype, list(tensor.shape), data)
        for tensor, data in zip(message.inputs, message.raw_input_contents, strict=True)
    }


def text(value: bytes) -> tuple[str, list[int], bytes]:
    return "BYTES", [1, 1], struct.pack("<I", len(value)) + value


def number(value: int) -> tuple[str, list[int], bytes]:
    return "INT32", [1, 1], struct.pack("<i", value)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (Score(), {"IMAGE": text(b"photo")}),
        (Score(policy=" google "), {"IMAGE": text(b"photo"), "POLICY": text(b"google")}),
        (Enhance(), {"IMAGE": text(b"photo")}),
        (
            Enhance(format="webp", quality=80, max_side=1200),
            {
                "IMAGE": text(b"photo"),
                "FORMAT": text(b"webp"),
                "OUTPUT_QUALITY": number(80),
                "MAX_SIDE": number(1200),
            },
        ),
        (Upscale(), {"IMAGE": text(b"photo"), "SCALE": number(2)}),
        (
            Upscale(scale=4, max_side=3000),
            {"IMAGE": text(b"photo"), "SCALE": number(4), "MAX_SIDE": number(3000)},
        ),
        (
            Optimize(policy="google", format="jpeg", quality=90),
            {
                "IMAGE": text(b"photo"),
                "POLICY": text(b"google"),
                "FORMAT": text(b"jpeg"),
                "OUTPUT_QUALITY": number(90),
            },
        ),
    ],
    ids=repr,
)
def test_options_become_tensors_and_what_is_left_out_is_not_sent(
    operation: Any, expected: dict[str, Any]
) -> None:
    assert sent(operation) == expected


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        *[(Score, {"policy": p}, "policy must be a name") for p in ("", "  ", None, 3)],
        (Optimize, {"policy": ""}, "policy must be a name"),
        (Enhance, {"format": "gif"}, "format must be jpeg, png or webp, got 'gif'"),
        (Enhance, {"format": "JPEG"}, "format must be"),
        (Enhance, {"quality": 0}, "quality must be"),
        (Enhance, {"quality": 101}, "quality must be a number from 1 to 100, got 101"),
        (Enhance, {"quality": 50.5}, "quality must be a whole number"),
        (Enhance, {"quality": True}, "quality must be"),
        (Upscale, {"max_side": 0}, "max_side must be a whole number of 1 or more"),
        (Upscale, {"scale": 3}, "scale must be 2 or 4, got 3"),
        (Upscale, {"scale": 1}, "scale must be 2 or 4"),
        (Upscale, {"scale": "2"}, "scale must be 2 or 4, got '2'"),
    ],
)
def test_what_cannot_be_asked_is_said_at_once(kind: Any, options: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        kind(**options)


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("INT32", -7, struct.pack("<i", -7)),
        ("INT64", 2**53 - 1, struct.pack("<q", 2**53 - 1)),
        ("FP32", 0.5, struct.pack("<f", 0.5)),
        ("FP32", 1, struct.pack("<f", 1.0)),
        ("BYTES", "größe", "größe".encode()),
        ("BYTES", b"\xff", b"\xff"),
    ],
)
def test_every_type_of_input(dtype: Any, value: Any, expected: bytes) -> None:
    assert model_with(dtype).elements({"OPTION": value}, 10) == {"OPTION": expected}


@pytest.mark.parametrize(
    ("dtype", "value", "words"),
    [
        ("INT32", 2**31, "OPTION is INT32, which 2147483648 does not fit"),
        ("INT64", 2**63, "does not fit"),
        ("INT32", 1.0, "must be a whole number, got 1.0"),
        ("INT32", True, "must be a whole number"),
        ("INT32", "1", "must be a whole number"),
        ("FP32", float("nan"), "must be a finite number"),
        ("FP32", 1e300, "does not fit"),
        ("FP32", None, "must be a finite number"),
        ("BYTES", 3, "must be text or bytes, got int"),
        ("UINT8", 3, "only one text or number"),
    ],
)
def test_inputs_of_another_type_are_named(dtype: Any, value: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        model_with(dtype).elements({"OPTION": value}, 10)


def model_with(dtype: Any) -> Model[Any]:
    option = TensorSpec(name="OPTION", dtype=dtype, shape=(1,))
    spec = ModelSpec(name="mine", inputs=(option,), outputs=(), max_batch_size=1)
    return Model(spec=spec, read=picture_results)


def test_numbers_of_a_batch_lie_side_by_side() -> None:
    model = model_with("INT32")
    items = [model.elements({"OPTION": value}, 10) for value in (1, 2)]
    assert model.stacked(items) == {"OPTION": struct.pack("<ii", 1, 2)}
