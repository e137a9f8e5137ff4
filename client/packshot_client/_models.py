"""Models: one typed description each. A new model costs a few lines here and an operation.

A model that takes an encoded image and makes another would be::

    SHARPEN: Final = Model(
        spec=contracts.SHARPEN, read=partial(image_results, image="IMAGE", info="INFO")
    )

and ``client.run(SHARPEN, {"IMAGE": "photo.jpg", "STRENGTH": 0.5})`` calls it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar, cast

from packshot.contracts import (
    ENHANCE,
    GENERATE,
    GENERATE_STREAM,
    IMAGE,
    OPTIMIZE,
    QUALITY,
    QUALITY_NET,
    UPSCALE,
    ModelSpec,
    TensorSpec,
)
from packshot_client._checks import checked_count, checked_seconds
from packshot_client._exceptions import ConfigError
from packshot_client._images import ImageSource, image_bytes, is_in_memory
from packshot_client._picture_answers import generated_results, optimized_results, picture_results
from packshot_client._pictures import GeneratedPictures, OptimizedPicture, Picture
from packshot_client._requests import RequestForm, TensorData
from packshot_client._results import PixelScore, QualityResult
from packshot_client._verdicts import pixel_scores, quality_results

ResultT_co = TypeVar("ResultT_co", covariant=True)

Input: TypeAlias = ImageSource | int | float
Inputs: TypeAlias = Mapping[str, Input]
"""One item's inputs by tensor name: an image source for images, a text or bytes for other BYTES
tensors, a number for the rest."""

_WHOLE: Final = {"INT32": struct.Struct("<i"), "INT64": struct.Struct("<q")}
_FLOAT: Final = struct.Struct("<f")


class ResultReader(Protocol[ResultT_co]):
    """Makes one result per item of a response, or raises ``UnreadableError``."""

    def __call__(self, response: Any, /) -> tuple[ResultT_co, ...]: ...


@dataclass(frozen=True, kw_only=True)
class Model(Generic[ResultT_co]):
    """A served model, as the client sees it.

    Attributes:
        spec: Its contract: name, tensors, largest batch. All inputs are BYTES, INT32, INT64 or
            FP32 of shape [1], but for models that are only called through
            :meth:`PackshotClient.score_pixels`.
        read: Makes its results.
        images: Names of the inputs that are encoded images; other BYTES inputs are texts.
        timeout_s: Deadline of its calls, for models that are slow by nature: they are not hedged,
            and their attempts not cut short. ``None`` is that of the configuration.
        in_flight: Calls of one :meth:`PackshotClient.map` at a time; ``None`` as configured.
        streams: Whether it is decoupled: any number of responses to a request. Such a model is
            asked by a method of its own, not by ``run`` or ``map``.
    """

    spec: ModelSpec
    read: ResultReader[ResultT_co]
    images: frozenset[str] = frozenset({IMAGE.name})
    timeout_s: float | None = None
    in_flight: int | None = None
    streams: bool = False

    def __post_init__(self) -> None:
        if self.timeout_s is not None:
            checked_seconds(self.timeout_s, "timeout_s")
        if self.in_flight is not None:
            checked_count(self.in_flight, "in_flight")

    @cached_property
    def form(self) -> RequestForm:
        """How it is asked."""
        return RequestForm(self.spec)

    @cached_property
    def _inputs(self) -> dict[str, TensorSpec]:
        return {tensor.name: tensor for tensor in self.spec.inputs}

    @cached_property
    def _required(self) -> frozenset[str]:
        return frozenset(tensor.name for tensor in self.spec.inputs if not tensor.optional)

    @cached_property
    def _encoded_images(self) -> frozenset[str]:
        return frozenset(n for n in self.images if n in self._texts)

    @cached_property
    def _texts(self) -> frozenset[str]:
        return frozenset(tensor.name for tensor in self.spec.inputs if tensor.dtype == "BYTES")

    def elements(self, inputs: Inputs, max_image_bytes: int) -> dict[str, bytes]:
        """The bytes of each input of one item. Reads image sources, which can block.

        Raises:
            ConfigError: An input is missing, unknown, or of another type than the contract's.
            ImageSourceError: An image cannot be read.
        """
        if not inputs.keys() >= self._required:
            missing = next(name for name in self._inputs if name in self._required - inputs.keys())
            raise ConfigError(f"{self.spec.name} needs the input {missing}")
        images = self._encoded_images
        found: dict[str, bytes] = {}
        value: Any
        for name, value in inputs.items():
            if name in images:
                found[name] = image_bytes(value, max_image_bytes)
            else:
                found[name] = self._element(name, value)
        return found

    def tensors(self, inputs: Inputs, max_image_bytes: int) -> dict[str, TensorData]:
        """The tensors of one item, as :meth:`stacked` makes of its :meth:`elements`."""
        texts = self._texts
        tensors: dict[str, TensorData] = {}
        for name, data in self.elements(inputs, max_image_bytes).items():
            tensors[name] = (data,) if name in texts else data
        return tensors

    def stacked(self, items: Sequence[Mapping[str, bytes]]) -> dict[str, TensorData]:
        """The tensors of a batch: elements of items that all have the same inputs."""
        tensors: dict[str, TensorData] = {}
        for name in items[0]:
            column = [item[name] for item in items]
            tensors[name] = column if name in self._texts else b"".join(column)
        return tensors

    def reads_memory_only(self, inputs: Inputs) -> bool:
        """Whether :meth:`elements` cannot block."""
        value: Any
        for name, value in inputs.items():
            if name in self.images and not is_in_memory(value):
                return False
        return True

    def _element(self, name: str, value: Input) -> bytes:
        known = self._inputs
        tensor = known.get(name)
        if tensor is None:
            raise ConfigError(f"{self.spec.name} has no input {name}, it has {', '.join(known)}")
        name = f"{self.spec.name}.{name}"
        if tensor.shape != (1,) or tensor.dtype not in ("BYTES", "FP32", *_WHOLE):
            raise ConfigError(
                f"{name} is {tensor.dtype}{list(tensor.shape)}; only one text or number can be "
                f"given here"
            )
        if tensor.dtype == "BYTES":
            if isinstance(value, str):
                return value.encode()
            if isinstance(value, bytes):
                return value
            raise ConfigError(f"{name} must be text or bytes, got {type(value).__name__}")
        return _number(tensor.dtype, value, name)


def _number(dtype: str, value: object, name: str) -> bytes:
    try:
        if dtype in _WHOLE and isinstance(value, int) and not isinstance(value, bool):
            return _WHOLE[dtype].pack(value)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if dtype == "FP32" and is_number and math.isfinite(cast(float, value)):
            return _FLOAT.pack(value)
    except (struct.error, OverflowError):
        raise ConfigError(f"{name} is {dtype}, which {value!r} does not fit") from None
    kind = "a finite number" if dtype == "FP32" else "a whole number"
    raise ConfigError(f"{name} must be {kind}, got {value!r}")


QUALITY_MODEL: Final = Model[QualityResult](spec=QUALITY, read=quality_results)
"""Encoded image to verdict."""

PIXEL_MODEL: Final = Model[PixelScore](spec=QUALITY_NET, read=pixel_scores, images=frozenset())
"""Two pixel views to the network's numbers."""

# Deadlines are for the largest picture that the server takes, on two cores, behind another one.
# One picture keeps a server busy: a second in flight is decoded while the first is computed, and
# more would only fill its queue.
ENHANCE_MODEL: Final = Model[Picture](
    spec=ENHANCE, read=picture_results, timeout_s=120.0, in_flight=2
)
"""Photo to restored photo."""

UPSCALE_MODEL: Final = Model[Picture](
    spec=UPSCALE, read=picture_results, timeout_s=120.0, in_flight=2
)
"""Photo to enlarged photo."""

OPTIMIZE_MODEL: Final = Model[OptimizedPicture](
    spec=OPTIMIZE, read=optimized_results, timeout_s=300.0, in_flight=2
)
"""Photo to the best that can be made of it, with both verdicts."""

GENERATE_MODEL: Final = Model[GeneratedPictures](
    spec=GENERATE, read=generated_results, images=frozenset(), timeout_s=60.0
)
"""Category to pictures, in one answer."""

GENERATE_STREAM_MODEL: Final = Model[GeneratedPictures](
    spec=GENERATE_STREAM,
    read=generated_results,
    images=frozenset(),
    timeout_s=60.0,
    streams=True,
)
"""The same, a picture at a time."""
