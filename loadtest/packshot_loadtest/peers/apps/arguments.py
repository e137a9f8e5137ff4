"""What each peer's program is told, and how it hands that to the processes it starts."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packshot_loadtest.peers.pipeline import Pipeline, PipelineSettings

_VARIABLE = "PACKSHOT_PEER"


@dataclass(frozen=True, kw_only=True)
class PeerArguments:
    """One peer's settings.

    Attributes:
        port: On 127.0.0.1.
        processes: Processes that do the work, one per core.
        pipeline: The work.
    """

    port: int
    processes: int
    pipeline: PipelineSettings

    def make_pipeline(self) -> Pipeline:
        """In the process that calls."""
        return Pipeline(self.pipeline)


def parse_arguments(description: str | None) -> PeerArguments:
    """Read the command line, and leave it in the environment for worker processes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--engine", choices=("openvino", "onnxruntime"), default="openvino")
    parser.add_argument("--onnx", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    found = vars(parser.parse_args())
    os.environ[_VARIABLE] = json.dumps(found, default=str)
    return _arguments(found)


def inherited_arguments() -> PeerArguments:
    """What :func:`parse_arguments` read in the process that started this one."""
    return _arguments(json.loads(os.environ[_VARIABLE]))


def _arguments(found: dict[str, Any]) -> PeerArguments:
    return PeerArguments(
        port=int(found["port"]),
        processes=int(found["processes"]),
        pipeline=PipelineSettings(
            repository=Path(found["repository"]),
            engine=found["engine"],
            onnx=Path(found["onnx"]) if found["onnx"] else None,
            threads=int(found["threads"]),
        ),
    )
