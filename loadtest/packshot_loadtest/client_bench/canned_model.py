"""A model repository whose ``quality`` answers at once with a canned verdict."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from packshot.contracts import ATTRIBUTES, GRID, LEARNED_ATTRIBUTES, QUALITY, TensorSpec

_TRITON_TYPES = {"BYTES": "TYPE_STRING", "FP32": "TYPE_FP32", "UINT8": "TYPE_UINT8"}

_MODEL = """
import pathlib

import numpy as np
import triton_python_backend_utils as pb

VERDICT = pathlib.Path(__file__).with_name("verdict.json").read_bytes()


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        batch = pb.get_input_tensor_by_name(request, "IMAGE").shape()[0]
        verdicts = np.empty((batch, 1), dtype=np.object_)
        verdicts[:] = VERDICT
        return pb.InferenceResponse([
            pb.Tensor("SCORE", np.full((batch, 1), 61.5, np.float32)),
            pb.Tensor("ATTRIBUTES", np.full((batch, %d), 0.5, np.float32)),
            pb.Tensor("VERDICT", verdicts),
        ])
"""


def write_canned_repository(folder: Path) -> None:
    """Write the repository into ``folder``."""
    version = folder / QUALITY.name / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(_MODEL % len(ATTRIBUTES))
    (version / "verdict.json").write_text(json.dumps(canned_verdict()))
    (folder / QUALITY.name / "config.pbtxt").write_text(
        f'name: "{QUALITY.name}"\n'
        f'backend: "python"\n'
        f"max_batch_size: {QUALITY.max_batch_size}\n"
        f"{_tensors('input', QUALITY.inputs)}\n{_tensors('output', QUALITY.outputs)}\n"
        f"instance_group [ {{ kind: KIND_CPU count: 1 }} ]\n"
        f"dynamic_batching {{ }}\n"
    )


def canned_verdict() -> dict[str, Any]:
    """A verdict of the usual size: one reason, one advice, a quality map."""
    numbers = random.Random(1)
    text = {"en": "The photo is a little soft.", "zh": "照片略微模糊。"}
    return {
        "schema": 1,
        "decision": "review",
        "policy": "default",
        "score": 61.5,
        "uncertainty": 4.25,
        "grade": "medium",
        "attributes": dict.fromkeys(ATTRIBUTES, 0.5),
        "worst_attribute": "sharpness",
        "reasons": [
            {
                "rule": "sharpness.min",
                "attribute": "sharpness",
                "severity": "review",
                "measured": 0.31,
                "expected": ">= 0.4",
                "message": text,
                "source": "measured on packshot's own test photos",
                "weight": 1.2,
            }
        ],
        "advice": [{"attribute": "sharpness", "cause": "blur", "text": text}],
        "image": {
            "format": "JPEG",
            "width": 512,
            "height": 512,
            "bytes": 50_000,
            "megapixels": 0.262,
            "color_mode": "RGB",
            "animated": False,
            "has_alpha": False,
            "orientation": 1,
            "icc_converted": False,
            "composition": {
                "score": 0.75,
                "background_plain": True,
                "background_uniformity": 0.9,
                "background_whiteness": 0.95,
                "fill_ratio": 0.62,
                "centre_offset": 0.05,
                "touches_edge": False,
                "border": False,
            },
        },
        "quality_map": [
            [[round(numbers.random(), 2) for _ in range(GRID)] for _ in range(GRID)]
            for _ in LEARNED_ATTRIBUTES
        ],
    }


def _tensors(kind: str, tensors: tuple[TensorSpec, ...]) -> str:
    described = ",\n".join(
        f'  {{ name: "{t.name}" data_type: {_TRITON_TYPES[t.dtype]} dims: {list(t.shape)}'
        f"{' optional: true' if t.optional else ''} }}"
        for t in tensors
    )
    return f"{kind} [\n{described}\n]"
