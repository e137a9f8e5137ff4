"""The work that every server does for a photo: decode, network, verdict.

The stages are packshot's own, in their own order, so that servers differ in serving only.
The network is the compiled model that packshot serves, or ONNX Runtime on the same graph.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from packshot.contracts import ATTRIBUTE_VALUES, IMAGE, QUALITY_NET, SCORE, VERDICT
from packshot.serving.backend import Stage, Tensors, bytes_tensor
from packshot.serving.decode_image import DecodeImage
from packshot.serving.quality_net import QualityNet
from packshot.serving.quality_verdict import QualityVerdict
from packshot.serving.stage_context import StageContext
from packshot_loadtest.answers import Answer, score_answer
from packshot_loadtest.errors import PeerError
from packshot_loadtest.photo_path import network_folder

Engine = Literal["openvino", "onnxruntime"]

_BUILD: Final = (
    "Build it, and name it: packshot-export build quality --precision fp32 --repository"
    " runs/peers/models --version 1, then --onnx runs/peers/models/quality_net/1/model.onnx"
)


@dataclass(frozen=True, kw_only=True)
class PipelineSettings:
    """How the work is done.

    Attributes:
        repository: Model repository with the exported network.
        engine: What computes the network.
        onnx: Its graph for ONNX Runtime; ``None`` for the one beside the served version.
        threads: Threads of decoding and of one inference.
    """

    repository: Path
    engine: Engine = "openvino"
    onnx: Path | None = None
    threads: int = 1

    @property
    def version(self) -> Path:
        """Folder of the network's version with which the served ``quality`` answers.

        Raises:
            packshot.errors.ModelRepositoryError: The repository is not complete.
        """
        return network_folder(self.repository)

    @property
    def graph(self) -> Path:
        """The graph for ONNX Runtime, in FP32 as its guides have it.

        Raises:
            PeerError: There is none, or the version beside it was built in another precision:
                ONNX Runtime is slow on quantized graphs, and answers differently, which would be
                no comparison.
        """
        path = self.onnx or self.version / "model.onnx"
        manifest = path.with_name("manifest.json")
        precision = json.loads(manifest.read_text())["precision"] if manifest.exists() else "fp32"
        if precision != "fp32":
            raise PeerError(f"{path} is in {precision}, and peers are measured in FP32. {_BUILD}")
        if not path.is_file():
            raise PeerError(f"no graph for ONNX Runtime at {path}, expected one in FP32. {_BUILD}")
        return path


class Pipeline:
    """The stages decode_image → quality_net → quality_verdict in this process.

    Args:
        settings: How.
    """

    def __init__(self, settings: PipelineSettings) -> None:
        parameters = {"threads": str(settings.threads), "streams": "1"}
        context = StageContext(version_directory=settings.version, parameters=parameters)
        network: Stage = QualityNet(context)
        if settings.engine == "onnxruntime":
            network = OnnxQualityNet(settings.graph, settings)
        verdict = QualityVerdict(StageContext(version_directory=settings.repository, parameters={}))
        self._stages: tuple[Stage, ...] = (DecodeImage(context), network, verdict)

    def score_many(self, photos: Sequence[bytes]) -> list[dict[str, Any]]:
        """What is said about each photo, ready for JSON.

        Raises:
            Exception: What a stage says is wrong with a photo.
        """
        tensors: list[dict[str, Any]] = [{IMAGE.name: bytes_tensor([photo])} for photo in photos]
        for stage in self._stages:
            names = {tensor.name for tensor in stage.spec.inputs}
            requests = [{n: own[n] for n in names if n in own} for own in tensors]
            for own, answer in zip(tensors, stage.execute(requests), strict=True):
                if isinstance(answer, Exception):
                    raise answer
                own.update(answer)
        return [
            {
                "score": float(own[SCORE.name][0, 0]),
                "attributes": own[ATTRIBUTE_VALUES.name][0].tolist(),
                "verdict": own[VERDICT.name][0, 0].decode(),
            }
            for own in tensors
        ]


def known_answers(settings: PipelineSettings, photos: Sequence[bytes]) -> list[Answer]:
    """What every server with this engine must say of the photos."""
    return [
        score_answer(answer["score"], answer["attributes"])
        for answer in Pipeline(settings).score_many(photos)
    ]


class OnnxQualityNet:
    """``quality_net`` on ONNX Runtime, as its own guide shows: one session, the whole batch.

    Args:
        path: The graph.
        settings: For the number of threads.
    """

    spec = QUALITY_NET

    def __init__(self, path: Path, settings: PipelineSettings) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings.threads
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def execute(self, requests: Sequence[Tensors]) -> list[Tensors | Exception]:
        """GLOBAL_VIEW and FRAGMENTS u8 [batch, 224, 224, 3] to scores, for each request."""
        feeds = {
            tensor.name: np.concatenate([request[tensor.name] for request in requests])
            for tensor in QUALITY_NET.inputs
        }
        names = [tensor.name for tensor in QUALITY_NET.outputs]
        outputs = dict(zip(names, self._session.run(names, feeds), strict=True))
        ends = np.cumsum([len(next(iter(request.values()))) for request in requests])
        parts = {name: np.split(array, ends[:-1]) for name, array in outputs.items()}
        return [{name: parts[name][index] for name in names} for index in range(len(requests))]

    def close(self) -> None:
        """Nothing to give back."""
