"""What the stages that return pictures share: reading options, and answering one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

from packshot.contracts import (
    FORMAT,
    MAX_SIDE,
    OUTPUT_FACTS,
    OUTPUT_IMAGE,
    OUTPUT_QUALITY,
    PIXELS,
    RESTORE_NET,
    RESTORED,
    THUMBNAIL,
    TensorSpec,
)
from packshot.enhancement.restoration import RestoreFunction
from packshot.errors import ContractError
from packshot.imaging.encoding import DEFAULT_QUALITY, OutputFacts, OutputFormat, OutputOptions
from packshot.imaging.limits import Limits
from packshot.imaging.tiling import Tiling
from packshot.serving.backend import Array, Tensors, bytes_tensor, item_bytes
from packshot.serving.model_calls import ModelCall
from packshot.serving.stage_context import StageContext

ENHANCEMENT_LIMITS: Final = Limits(max_pixels=24_000_000)
"""Above it a CPU computes for minutes, and the pixels of a request take more than 0.2 GB."""

_FORMATS: Final[dict[str, OutputFormat]] = {
    "jpeg": "jpeg",
    "jpg": "jpeg",
    "png": "png",
    "webp": "webp",
}


def read_limits(context: StageContext) -> Limits:
    """``max_bytes``, ``max_pixels`` and ``max_side``; 0 is that of ``ENHANCEMENT_LIMITS``."""
    default = ENHANCEMENT_LIMITS
    return Limits(
        max_bytes=context.count("max_bytes", 0) or default.max_bytes,
        max_pixels=context.count("max_pixels", 0) or default.max_pixels,
        max_side=context.count("max_side", 0) or default.max_side,
    )


def read_tiling(context: StageContext, default: Tiling) -> Tiling:
    """``max_tile``, ``tile_margin`` and ``max_call_bytes``; 0 is the default."""
    return Tiling(
        max_side=context.count("max_tile", 0) or default.max_side,
        margin=context.count("tile_margin", 0) or default.margin,
        max_call_bytes=context.count("max_call_bytes", 0) or default.max_call_bytes,
    )


def read_options(request: Tensors) -> OutputOptions:
    """FORMAT, OUTPUT_QUALITY and MAX_SIDE of a request.

    Raises:
        ContractError: A value that cannot be used.
    """
    return OutputOptions(
        format=read_format(request),
        quality=read_number(request, OUTPUT_QUALITY) or DEFAULT_QUALITY,
        max_side=read_number(request, MAX_SIDE) or None,
    )


def read_number(request: Tensors, spec: TensorSpec) -> int:
    """An optional INT32 input; 0 where it is absent."""
    return int(request[spec.name][0, 0]) if spec.name in request else 0


def served_restore(call: ModelCall) -> RestoreFunction:
    """The restoration network of the same server, as a function."""
    return lambda tiles, thumbnails: call(
        RESTORE_NET, {PIXELS.name: tiles, THUMBNAIL.name: thumbnails}
    )[RESTORED.name]


def picture_answer(data: bytes, facts: OutputFacts) -> dict[str, Array]:
    """OUTPUT_IMAGE and OUTPUT_FACTS."""
    return {
        OUTPUT_IMAGE.name: bytes_tensor([data]),
        OUTPUT_FACTS.name: bytes_tensor([json.dumps(facts, separators=(",", ":")).encode()]),
    }


def each_alone(
    requests: Sequence[Tensors], answer: Callable[[Tensors], Tensors]
) -> list[Tensors | Exception]:
    """Answer requests one by one; what goes wrong with one stays with it."""
    answers: list[Tensors | Exception] = []
    for request in requests:
        try:
            answers.append(answer(request))
        except Exception as error:  # noqa: BLE001, PERF203 - belongs to this request alone
            answers.append(error)
    return answers


def read_format(request: Tensors) -> OutputFormat | None:
    """FORMAT of a request; None where it is absent or empty.

    Raises:
        ContractError: Not a format that is written.
    """
    if FORMAT.name not in request:
        return None
    value = item_bytes(request[FORMAT.name], 0)
    name = value.decode("utf-8", "replace").strip().lower()
    if not name:
        return None
    if name not in _FORMATS:
        raise ContractError(
            f"{FORMAT.name} must be jpeg, png or webp, got {name[:40]!r}. Leave it out to keep "
            "the input's format; generated pictures are then PNG."
        )
    return _FORMATS[name]
