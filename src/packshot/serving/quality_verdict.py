"""The stage ``quality_verdict``: scores and facts become a decision with reasons and advice."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from packshot.contracts import (
    ATTRIBUTE_VALUES,
    ATTRIBUTES,
    DEFAULT_POLICY,
    FACTS,
    NET_ATTRIBUTES,
    POLICY,
    QUALITY_MAP,
    QUALITY_VERDICT,
    SCORE,
    UNCERTAINTY,
    VERDICT,
)
from packshot.errors import ContractError
from packshot.policy import Verdict, judge, load_policy
from packshot.serving.backend import Tensors, bytes_tensor, item_bytes, named_item, python_model
from packshot.serving.stage_context import StageContext


class QualityVerdict:
    """Applies the marketplace policy that each image's request names.

    Parameters in ``config.pbtxt``: ``policy_dir``, a folder of the user's own policies; empty
    for the built-in ones only.
    """

    spec = QUALITY_VERDICT

    def __init__(self, context: StageContext) -> None:
        folder = context.text("policy_dir")
        self._policy_dir = Path(folder) if folder else None
        # Now, so that a policy file with a mistake keeps the model from loading.
        load_policy(DEFAULT_POLICY, self._policy_dir)

    def execute(self, requests: Sequence[Tensors]) -> list[Tensors | Exception]:
        """Score, attributes, uncertainty, map and facts to SCORE, ATTRIBUTES and VERDICT."""
        return [self._answer(request) for request in requests]

    def close(self) -> None:
        """Nothing to give back."""

    def _answer(self, request: Tensors) -> Tensors | Exception:
        batch = len(request[SCORE.name])
        attributes = np.empty((batch, *ATTRIBUTE_VALUES.shape), np.float32)
        verdicts = []
        for index in range(batch):
            try:
                attributes[index], verdict = self._judged(request, index)
            except Exception as error:  # noqa: BLE001 - belongs to this request alone
                return named_item(error, index, batch)
            verdicts.append(verdict.to_json().encode())
        return {
            SCORE.name: request[SCORE.name],
            ATTRIBUTE_VALUES.name: attributes,
            VERDICT.name: bytes_tensor(verdicts),
        }

    def _judged(self, request: Tensors, index: int) -> tuple[list[float], Verdict]:
        facts = _facts(item_bytes(request[FACTS.name], index))
        values = [*map(float, request[NET_ATTRIBUTES.name][index]), _composition(facts)]
        verdict = judge(
            score=float(request[SCORE.name][index, 0]),
            uncertainty=float(request[UNCERTAINTY.name][index, 0]),
            attributes=dict(zip(ATTRIBUTES, values, strict=True)),
            facts=facts,
            policy=load_policy(_policy_name(request, index), self._policy_dir),
        )
        quality_map = request[QUALITY_MAP.name][index].astype(np.float64).round(2).tolist()
        return values, dataclasses.replace(verdict, quality_map=quality_map)


def _policy_name(request: Tensors, index: int) -> str:
    if POLICY.name not in request:
        return DEFAULT_POLICY
    try:
        return item_bytes(request[POLICY.name], index).decode().strip() or DEFAULT_POLICY
    except UnicodeDecodeError as error:
        raise ContractError(f"{POLICY.name} must be the UTF-8 name of a policy: {error}.") from None


def _facts(data: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(data)
    except ValueError as error:
        raise ContractError(f"{FACTS.name} must be a JSON object: {error}.") from None
    if not isinstance(facts, dict):
        raise ContractError(f"{FACTS.name} must be a JSON object, got {type(facts).__name__}.")
    return facts


def _composition(facts: dict[str, Any]) -> float:
    try:
        return float(facts["composition"]["score"])
    except (KeyError, TypeError, ValueError):
        raise ContractError(
            f"{FACTS.name} must hold composition.score, a number from 0 to 1, "
            f"as decode_image gives it."
        ) from None


TritonPythonModel = python_model(QualityVerdict)
