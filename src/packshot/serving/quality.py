"""The model ``quality`` on a CPU: its three stages, one after the other, in one process.

From one process to another every stage costs a copy, a wake-up, and the caches that the one before
it has warmed. What that is: docs/tuning.md. On a GPU the same stages are an ensemble
(``configs/tensorrt.pbtxt``), since there Triton itself runs the network.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from packshot.contracts import QUALITY, QUALITY_NET
from packshot.errors import ContractError
from packshot.serving.backend import Array, Stage, Tensors, python_model
from packshot.serving.called_models import NETWORKS_PARAMETER, NEWEST, read_calls
from packshot.serving.decode_image import DecodeImage
from packshot.serving.quality_net import QualityNet
from packshot.serving.quality_verdict import QualityVerdict
from packshot.serving.stage_context import StageContext

_Found = dict[str, Array]
"""All tensors of one request so far."""


class Quality:
    """Decodes, scores and judges a dynamic batch; answers each request as the ensemble does.

    Parameters in ``config.pbtxt``: ``networks``, the version of ``quality_net`` to compute with,
    from the folder beside its own; and those of the stages.

    Raises:
        ContractError: ``networks`` does not name a version of ``quality_net``.
        ModelRepositoryError: That version was not built.
    """

    spec = QUALITY

    def __init__(self, context: StageContext) -> None:
        self._stages: Final[tuple[Stage, ...]] = (
            DecodeImage(context),
            QualityNet(_network_context(context)),
            QualityVerdict(context),
        )

    def execute(self, requests: Sequence[Tensors]) -> list[Tensors | Exception]:
        """IMAGE BYTES [batch, 1] and POLICY to SCORE, ATTRIBUTES and VERDICT, for each request."""
        outcomes: list[_Found | Exception] = [dict(request) for request in requests]
        for stage in self._stages:
            outcomes = _after(stage, outcomes)
        return list(outcomes)

    def close(self) -> None:
        """Stop the decoding threads."""
        for stage in self._stages:
            stage.close()


def _after(stage: Stage, outcomes: Sequence[_Found | Exception]) -> list[_Found | Exception]:
    """What one stage adds to each request that has not failed yet."""
    alive = [found for found in outcomes if not isinstance(found, Exception)]
    answers = iter(zip(alive, stage.execute(alive), strict=True) if alive else ())
    return [
        found if isinstance(found, Exception) else _joined(*next(answers)) for found in outcomes
    ]


def _joined(found: Mapping[str, Array], answer: Tensors | Exception) -> _Found | Exception:
    return answer if isinstance(answer, Exception) else {**found, **answer}


def _network_context(context: StageContext) -> StageContext:
    text = context.text(NETWORKS_PARAMETER)
    version = read_calls(text).get(QUALITY_NET.name, NEWEST)
    if version == NEWEST:
        raise ContractError(
            f"parameter {NETWORKS_PARAMETER!r} in config.pbtxt must name a version of"
            f" {QUALITY_NET.name}, such as {QUALITY_NET.name}:1, got {text!r}"
        )
    network = context.version_directory.parent.parent / QUALITY_NET.name
    return dataclasses.replace(context, version_directory=network / str(version))


TritonPythonModel = python_model(Quality)
