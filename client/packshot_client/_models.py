"""Models: one typed description each. A new model costs a few lines here and a method per client.

A model that takes an encoded image and makes another would be::

    ENHANCE: Final = Model(
        spec=contracts.ENHANCE, read=partial(image_results, image="IMAGE", info="INFO")
    )

and ``client.run(ENHANCE, {"IMAGE": "photo.jpg"})`` calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from packshot.contracts import IMAGE, QUALITY, QUALITY_NET, ModelSpec, TensorSpec
from packshot_client._exceptions import ConfigError
from packshot_client._images import ImageSource, image_bytes, is_in_memory
from packshot_client._requests import TensorData
from packshot_client._responses import pixel_scores, quality_results
from packshot_client._results import PixelScore, QualityResult

ResultT_co = TypeVar("ResultT_co", covariant=True)

Inputs: TypeAlias = Mapping[str, "ImageSource"]
"""One item's inputs by tensor name: an image source for images, a text or bytes for the rest."""


class ResultReader(Protocol[ResultT_co]):
    """Makes one result per item of a response, or raises ``UnreadableError``."""

    def __call__(self, response: Any, /) -> tuple[ResultT_co, ...]: ...


@dataclass(frozen=True, kw_only=True)
class Model(Generic[ResultT_co]):
    """A served model, as the client sees it.

    Attributes:
        spec: Its contract: name, tensors, largest batch. All inputs are BYTES of shape [1], but
            for models that are only called through :meth:`PackshotClient.score_pixels`.
        read: Makes its results.
        images: Names of the inputs that are encoded images; the others are texts.
    """

    spec: ModelSpec
    read: ResultReader[ResultT_co]
    images: frozenset[str] = frozenset({IMAGE.name})

    def elements(self, inputs: Inputs, max_image_bytes: int) -> dict[str, bytes]:
        """The bytes of each input of one item. Reads image sources, which can block.

        Raises:
            ConfigError: An input is missing, unknown, or not text.
            ImageSourceError: An image cannot be read.
        """
        known = {tensor.name: tensor for tensor in self.spec.inputs}
        for name in inputs:
            if name not in known:
                raise ConfigError(
                    f"{self.spec.name} has no input {name}, it has {', '.join(known)}"
                )
        for tensor in self.spec.inputs:
            if tensor.name not in inputs and not tensor.optional:
                raise ConfigError(f"{self.spec.name} needs the input {tensor.name}")
        return {
            name: self._element(known[name], value, max_image_bytes)
            for name, value in inputs.items()
        }

    def reads_memory_only(self, inputs: Inputs) -> bool:
        """Whether :meth:`elements` cannot block."""
        return all(is_in_memory(value) for name, value in inputs.items() if name in self.images)

    def _element(self, tensor: TensorSpec, value: ImageSource, max_image_bytes: int) -> bytes:
        if tensor.dtype != "BYTES" or tensor.shape != (1,):
            raise ConfigError(
                f"{self.spec.name}.{tensor.name} is {tensor.dtype}{list(tensor.shape)}; only "
                f"BYTES[1] inputs can be given here"
            )
        if tensor.name in self.images:
            return image_bytes(value, max_image_bytes)
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, bytes):
            return value
        raise ConfigError(
            f"{self.spec.name}.{tensor.name} must be text or bytes, got {type(value).__name__}"
        )


def stacked(items: list[dict[str, bytes]]) -> dict[str, TensorData]:
    """The tensors of a batch: items that all have the same inputs."""
    return {name: [item[name] for item in items] for name in items[0]}


QUALITY_MODEL: Final = Model[QualityResult](spec=QUALITY, read=quality_results)
"""Encoded image to verdict."""

PIXEL_MODEL: Final = Model[PixelScore](spec=QUALITY_NET, read=pixel_scores, images=frozenset())
"""Two pixel views to the network's numbers."""
