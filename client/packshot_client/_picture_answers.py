"""Picture answers: responses of the models that make pictures to results. No network here."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from packshot.contracts import (
    GENERATED_FACTS,
    GENERATED_IMAGES,
    OUTPUT_FACTS,
    OUTPUT_IMAGE,
    SCORES,
    STEPS,
    SUMMARY,
    VERDICT_AFTER,
    VERDICT_BEFORE,
)
from packshot_client._outputs import Outputs, UnreadableError, decoded, versioned
from packshot_client._pictures import (
    BeyondRepair,
    GeneratedPicture,
    GeneratedPictures,
    GenerationSummary,
    ImageResult,
    OptimizationStep,
    OptimizedPicture,
    Picture,
    Stopped,
)
from packshot_client._verdicts import verdict_results

STEPS_SCHEMA: Final = 1
"""The version of the STEPS JSON that this client reads."""


# The JSON objects as they are on the wire; keys that are not here are ignored.
class _Facts(msgspec.Struct):
    format: str
    width: int
    height: int
    size_bytes: int = msgspec.field(name="bytes")


class _Steps(msgspec.Struct):
    schema: int
    changed: bool
    stopped: Stopped
    steps: tuple[OptimizationStep, ...]
    beyond_repair: tuple[BeyondRepair, ...]


class _GeneratedFacts(_Facts, kw_only=True):
    category: str
    seed: int
    truncation: float
    scale: int
    score: float | None
    tries: int
    watermark: str
    software: str
    digital_source_type: str


def image_results(response: Any, *, image: str, info: str) -> tuple[ImageResult, ...]:
    """One image and its JSON per item of a ``ModelInferResponse``.

    Args:
        response: The answer of a model that makes images.
        image: Name of the BYTES output with the encoded files.
        info: Name of the BYTES output with the JSON objects.

    Raises:
        UnreadableError: The answer is not that.
    """
    outputs = Outputs(response)
    return tuple(
        ImageResult(data=data, info=decoded(text, dict[str, Any], info), **outputs.header)
        for data, text in _pairs(outputs, image, info)
    )


def picture_results(response: Any) -> tuple[Picture, ...]:
    """One result per item of a ``ModelInferResponse`` of ``enhance`` or ``upscale``.

    Raises:
        UnreadableError: The answer is not what the contract says.
    """
    return _pictures(Outputs(response))


def optimized_results(response: Any) -> tuple[OptimizedPicture, ...]:
    """One result per item of a ``ModelInferResponse`` of ``optimize``.

    Raises:
        UnreadableError: The answer is not what the contract says.
    """
    outputs = Outputs(response)
    pictures = _pictures(outputs)
    steps = outputs.byte_elements(STEPS.name)
    if len(steps) != len(pictures):
        raise UnreadableError(f"{len(pictures)} pictures and {len(steps)} of {STEPS.name}")
    scores = outputs.rows(SCORES.name, len(pictures), 2)
    before = verdict_results(outputs, [row[0] for row in scores], VERDICT_BEFORE.name)
    after = verdict_results(outputs, [row[1] for row in scores], VERDICT_AFTER.name)
    found = []
    for index, picture in enumerate(pictures):
        taken = versioned(steps[index], _Steps, STEPS_SCHEMA, STEPS.name)
        found.append(
            OptimizedPicture(
                **vars(picture),
                before=before[index],
                after=after[index],
                changed=taken.changed,
                stopped=taken.stopped,
                steps=taken.steps,
                beyond_repair=taken.beyond_repair,
            )
        )
    return tuple(found)


def generated_results(response: Any) -> tuple[GeneratedPictures, ...]:
    """The one result of a ``ModelInferResponse`` of ``generate`` or ``generate_stream``.

    Raises:
        UnreadableError: The answer is not what the contract says.
    """
    outputs = Outputs(response)
    summaries = outputs.byte_elements(SUMMARY.name)
    pictures = tuple(
        GeneratedPicture(
            data=data,
            **_fields(decoded(text, _GeneratedFacts, GENERATED_FACTS.name)),
            **outputs.header,
        )
        for data, text in _pairs(outputs, GENERATED_IMAGES.name, GENERATED_FACTS.name)
    )
    return tuple(
        GeneratedPictures(
            pictures=pictures, summary=decoded(summary, GenerationSummary, SUMMARY.name)
        )
        for summary in summaries
    )


def _pictures(outputs: Outputs) -> tuple[Picture, ...]:
    return tuple(
        Picture(data=data, **_fields(decoded(text, _Facts, OUTPUT_FACTS.name)), **outputs.header)
        for data, text in _pairs(outputs, OUTPUT_IMAGE.name, OUTPUT_FACTS.name)
    )


def _pairs(outputs: Outputs, image: str, info: str) -> list[tuple[bytes, bytes]]:
    images = outputs.byte_elements(image)
    infos = outputs.byte_elements(info)
    if len(images) != len(infos):
        raise UnreadableError(f"{len(images)} of {image} and {len(infos)} of {info}")
    return list(zip(images, infos, strict=True))


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(struct)
