"""The stage ``optimize``: score a photo, mend what fails, score again, return the best."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from packshot.contracts import (
    FACTS,
    FRAGMENTS,
    GLOBAL_VIEW,
    IMAGE,
    OPTIMIZE,
    POLICY,
    QUALITY_NET,
    SCORES,
    STEPS,
    VERDICT,
    VERDICT_AFTER,
    VERDICT_BEFORE,
)
from packshot.enhancement import Goals, Judge, Mender, optimize
from packshot.enhancement.restoration import RESTORE_TILING
from packshot.errors import ContractError
from packshot.imaging import (
    DecodedImage,
    EncodedImage,
    OutputOptions,
    decode,
    encode,
    facts_to_json,
    prepare_decoded,
    read_rights,
    without_private_metadata,
)
from packshot.imaging.encoding import output_facts
from packshot.policy import Verdict
from packshot.serving.backend import Tensors, bytes_tensor, item_bytes
from packshot.serving.model_calls import ModelCall, calling_model
from packshot.serving.niceness import stand_back
from packshot.serving.picture_requests import (
    each_alone,
    picture_answer,
    read_limits,
    read_options,
    read_tiling,
    served_restore,
)
from packshot.serving.quality_verdict import QualityVerdict
from packshot.serving.stage_context import StageContext


class Optimize:
    """Runs the loop of ``packshot.enhancement.optimization`` on served models.

    Parameters in ``config.pbtxt``: as for ``enhance``; ``max_rounds``, 0 for 8; ``min_gain``,
    points of the score, empty for 0.1; ``policy_dir``, as for ``quality_verdict``.
    """

    spec = OPTIMIZE

    def __init__(self, context: StageContext, call: ModelCall) -> None:
        self._limits = read_limits(context)
        self._tiling = read_tiling(context, RESTORE_TILING)
        default = Goals()
        self._goals = Goals(
            max_rounds=context.count("max_rounds", 0) or default.max_rounds,
            min_gain=_number(context, "min_gain", default.min_gain),
        )
        self._verdicts = QualityVerdict(context)
        self._call = call
        stand_back(context)

    def execute(self, requests: Sequence[Tensors]) -> list[Tensors | Exception]:
        """IMAGE and POLICY to the best picture, both verdicts and the steps, for each request."""
        return each_alone(requests, self._answer)

    def close(self) -> None:
        """Nothing to give back."""

    def _answer(self, request: Tensors) -> Tensors:
        options = read_options(request)
        data = item_bytes(request[IMAGE.name], 0)
        photo = decode(data, self._limits)
        rights = read_rights(data)
        result = optimize(
            photo,
            judge=served_judge(self._call, self._verdicts, request),
            apply_fix=Mender(served_restore(self._call), self._tiling),
            encode=lambda pixels: encode(pixels, options, photo.format, rights),
            goals=self._goals,
        )
        image, after = result.image, result.after
        if image is None:
            image = unchanged(data, photo)
            after = dataclasses.replace(after, image={**after.image, **image.facts})
        return {
            **picture_answer(image.data, image.facts),
            SCORES.name: np.array([[result.before.score, after.score]], np.float32),
            VERDICT_BEFORE.name: bytes_tensor([result.before.to_json().encode()]),
            VERDICT_AFTER.name: bytes_tensor([after.to_json().encode()]),
            STEPS.name: bytes_tensor([result.steps_json().encode()]),
        }


def served_judge(call: ModelCall, verdicts: QualityVerdict, request: Tensors) -> Judge:
    """The quality network of the same server, and the verdict under the request's policy.

    The verdict is not called as a model: Triton hands on no error codes, and an unknown policy
    must come back as the caller's own mistake.
    """
    policy = {POLICY.name: request[POLICY.name]} if POLICY.name in request else {}

    def judge(image: DecodedImage) -> Verdict:
        prepared = prepare_decoded(image)
        views = {GLOBAL_VIEW.name: prepared.global_view, FRAGMENTS.name: prepared.fragments}
        scores = call(QUALITY_NET, {name: view[None] for name, view in views.items()})
        facts = bytes_tensor([facts_to_json(prepared.facts).encode()])
        (answer,) = verdicts.execute([{**scores, FACTS.name: facts, **policy}])
        if isinstance(answer, Exception):
            raise answer
        return Verdict.from_json(item_bytes(answer[VERDICT.name], 0))

    return judge


def unchanged(data: bytes, photo: DecodedImage) -> EncodedImage:
    """The input as it was, without private metadata: its very bytes where its format allows it.

    GIF, BMP and TIFF become PNG, which loses nothing of the pixels that were judged.
    """
    stripped = without_private_metadata(data, photo.orientation)
    if stripped is None:
        return encode(photo.pixels_hwc_u8, OutputOptions(format="png"), photo.format)
    facts = output_facts(photo.format, photo.width, photo.height, stripped)
    return EncodedImage(data=stripped, facts=facts)


def _number(context: StageContext, name: str, default: float) -> float:
    text = context.text(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ContractError(f"parameter {name!r} in config.pbtxt must be a number, got {text!r}")
    return value


TritonPythonModel = calling_model(Optimize)
