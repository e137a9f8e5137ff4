"""The stage ``decode_image``: an encoded file becomes two network views and image facts."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from packshot.contracts import DECODE_IMAGE, FACTS, FRAGMENTS, GLOBAL_VIEW, IMAGE
from packshot.imaging import Limits, PreparedImage, facts_to_json, prepare
from packshot.serving.backend import Tensors, bytes_tensor, item_bytes, named_item, python_model
from packshot.serving.stage_context import StageContext


class DecodeImage:
    """Decodes the images of a dynamic batch side by side; the decoders release the GIL.

    Parameters in ``config.pbtxt``: ``threads``, 0 for its share of the cores; ``max_bytes``,
    ``max_pixels`` and ``max_side``, 0 for the limits of ``packshot.imaging.Limits``.
    """

    spec = DECODE_IMAGE

    def __init__(self, context: StageContext) -> None:
        threads = context.threads()
        default = Limits()
        self._limits = Limits(
            max_bytes=context.count("max_bytes", 0) or default.max_bytes,
            max_pixels=context.count("max_pixels", 0) or default.max_pixels,
            max_side=context.count("max_side", 0) or default.max_side,
        )
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    def execute(self, requests: Sequence[Tensors]) -> list[Tensors | Exception]:
        """IMAGE BYTES [batch, 1] to GLOBAL_VIEW, FRAGMENTS and FACTS, for each request."""
        files = [
            item_bytes(request[IMAGE.name], index)
            for request in requests
            for index in range(len(request[IMAGE.name]))
        ]
        # A lone image, the usual case at low load, is spared the hop to another thread.
        mapped = map if len(files) == 1 else self._pool.map
        decoded = iter(mapped(self._decode, files))
        return [
            _collected([next(decoded) for _ in range(len(request[IMAGE.name]))])
            for request in requests
        ]

    def close(self) -> None:
        """Stop the decoding threads."""
        self._pool.shutdown(wait=True)

    def _decode(self, data: bytes) -> PreparedImage | Exception:
        try:
            return prepare(data, self._limits)
        except Exception as error:  # noqa: BLE001 - belongs to this image's request alone
            return error


def _collected(decoded: Sequence[PreparedImage | Exception]) -> Tensors | Exception:
    images: list[PreparedImage] = []
    for index, image in enumerate(decoded):
        if isinstance(image, Exception):
            return named_item(image, index, len(decoded))
        images.append(image)
    facts = [facts_to_json(image.facts).encode() for image in images]
    return {
        GLOBAL_VIEW.name: np.stack([image.global_view for image in images]),
        FRAGMENTS.name: np.stack([image.fragments for image in images]),
        FACTS.name: bytes_tensor(facts),
    }


TritonPythonModel = python_model(DecodeImage)
