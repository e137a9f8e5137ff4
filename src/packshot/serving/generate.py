"""The stages ``generate`` and ``generate_stream``: a category in, marked product pictures out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from packshot.contracts import (
    CATEGORY,
    CATEGORY_NUMBER,
    COUNT,
    DECOUPLED,
    DEFAULT_GENERATION_SCALE,
    DEFAULT_TRUNCATION,
    FRAGMENTS,
    GENERATED,
    GENERATED_FACTS,
    GENERATED_IMAGES,
    GENERATION_SCALE,
    GENERATOR_NET,
    GLOBAL_VIEW,
    LATENT,
    MIN_SCORE,
    MODELS,
    MOST_AT_ONCE,
    MOST_IN_A_STREAM,
    NET_TRUNCATION,
    PIXELS,
    QUALITY_NET,
    SCORE,
    SEED,
    SUMMARY,
    TRUNCATION,
    UPSCALE_NETS,
    UPSCALED,
    TensorSpec,
)
from packshot.errors import RequestCancelledError
from packshot.generation.pictures import GeneratorVersion, finished, summary_of
from packshot.generation.requests import GenerationRequest, drawn_seed
from packshot.generation.screening import TRIES_A_PICTURE, GenerationNetworks, Screening
from packshot.imaging.encoding import OutputOptions
from packshot.imaging.views import fragments, global_view
from packshot.serving.backend import Array, Tensors, bytes_tensor, item_bytes
from packshot.serving.called_models import CANARY_SUFFIX, NEWEST
from packshot.serving.model_calls import ModelCall, pinned_call, pinned_versions
from packshot.serving.niceness import stand_back
from packshot.serving.picture_requests import read_format
from packshot.serving.sending import sending_model
from packshot.serving.stage_context import StageContext


class Generate:
    """Draws latents, has ``generator_net`` make pictures of them, and enlarges, screens and marks.

    Which of the two models it is, the model's folder says, which Triton wants to be its name.

    Parameters in ``config.pbtxt``: ``tries_per_picture``, 0 for 8; ``concurrent_requests``, 0 for
    4; ``niceness``.
    """

    def __init__(self, context: StageContext, call: ModelCall) -> None:
        own_folder = context.version_directory.parent
        self.spec = MODELS[own_folder.name.removesuffix(CANARY_SUFFIX)]
        self._streams = self.spec.name in DECOUPLED
        self._most = MOST_IN_A_STREAM if self._streams else MOST_AT_ONCE
        self._tries = context.count("tries_per_picture", 0) or TRIES_A_PICTURE
        self._made_by = _version_facts(
            own_folder.parent / GENERATOR_NET.name,
            pinned_versions(context).get(GENERATOR_NET.name, NEWEST),
        )
        self._networks = served_networks(call)
        stand_back(context)

    def answer(
        self,
        request: Tensors,
        send: Callable[[Tensors], None],
        is_cancelled: Callable[[], bool],
    ) -> Tensors:
        """CATEGORY and options to OUTPUT_IMAGE, OUTPUT_FACTS and SUMMARY.

        ``generate_stream`` sends each picture and returns the summary alone; ``generate`` returns
        all at once.
        """
        wanted = read_generation_request(request, self._most)
        screening = Screening(
            wanted,
            self._networks,
            tries_a_picture=self._tries,
            is_cancelled=is_cancelled,
        )
        pictures = []
        for sample in screening:
            picture = finished(sample, wanted, self._made_by)
            if self._streams:
                send(_answer([picture], screening, final=False))
            else:
                pictures.append(picture)
        if is_cancelled():
            raise RequestCancelledError("the caller no longer waits")
        return _answer(pictures, screening, final=True)

    def close(self) -> None:
        """Nothing to give back."""


def read_generation_request(request: Tensors, most: int) -> GenerationRequest:
    """The tensors of a request as what they mean.

    Args:
        request: Valid by the contract.
        most: Largest COUNT.

    Raises:
        ContractError: A value that cannot be used.
    """
    seed, count = _number(request, SEED), _number(request, COUNT)
    truncation, scale = _number(request, TRUNCATION), _number(request, GENERATION_SCALE)
    return GenerationRequest(
        category=item_bytes(request[CATEGORY.name], 0).decode("utf-8", "replace"),
        seed=drawn_seed() if seed is None else int(seed),
        count=1 if count is None else int(count),
        truncation=DEFAULT_TRUNCATION if truncation is None else float(truncation),
        scale=int(scale or DEFAULT_GENERATION_SCALE),
        output=OutputOptions(format=read_format(request) or "png"),
        min_score=_number(request, MIN_SCORE),
        most=most,
    )


def served_networks(call: ModelCall) -> GenerationNetworks:
    """The networks of the same server, as functions."""

    def generate(latents: Array, categories: Array, truncations: Array) -> Array:
        tensors = {
            LATENT.name: latents,
            CATEGORY_NUMBER.name: categories,
            NET_TRUNCATION.name: truncations,
        }
        return call(GENERATOR_NET, tensors)[GENERATED.name]

    def enlarge(pictures: Array, scale: int) -> Array:
        # A whole picture is one tile, of the smallest size.
        return call(UPSCALE_NETS[scale], {PIXELS.name: pictures})[UPSCALED.name]

    def score(pictures: Array) -> Array:
        views = {
            GLOBAL_VIEW.name: np.stack([global_view(picture) for picture in pictures]),
            FRAGMENTS.name: np.stack([fragments(picture) for picture in pictures]),
        }
        return call(QUALITY_NET, views)[SCORE.name][:, 0]

    return GenerationNetworks(generate=generate, enlarge=enlarge, score=score)


def _number(request: Tensors, spec: TensorSpec) -> Any:
    return request[spec.name][0, 0].item() if spec.name in request else None


def _version_facts(model: Path, version: int) -> GeneratorVersion:
    if version == NEWEST:
        return GeneratorVersion(model=model.name)
    try:
        manifest = json.loads((model / str(version) / "manifest.json").read_text())
        weights = str(manifest["weights"]["sha256"])[:12]
    except (OSError, ValueError, KeyError, TypeError):
        weights = ""  # Not built by packshot-export.
    return GeneratorVersion(model=model.name, version=version, weights=weights)


def _answer(
    pictures: Sequence[tuple[bytes, Any]], screening: Screening, *, final: bool
) -> dict[str, Array]:
    return {
        GENERATED_IMAGES.name: bytes_tensor([data for data, _ in pictures]).T,
        GENERATED_FACTS.name: bytes_tensor([_json(facts) for _, facts in pictures]).T,
        SUMMARY.name: bytes_tensor([_json(summary_of(screening, final=final))]),
    }


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


TritonPythonModel = sending_model(lambda context: Generate(context, pinned_call(context)))
