"""What the peers compute with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from packshot_loadtest.errors import PeerError
from packshot_loadtest.peers.comparison import Comparison
from packshot_loadtest.peers.pipeline import PipelineSettings
from packshot_loadtest.peers.settings import ComparisonSettings
from packshot_loadtest.step_record import StepRecord

SHIPPED = Path(__file__).parents[3] / "model_repository"


def version(repository: Path, precision: str) -> Path:
    (repository / "quality").mkdir(parents=True)
    shutil.copy(SHIPPED / "quality" / "config.pbtxt", repository / "quality")
    folder = repository / "quality_net" / "1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"precision": precision}))
    (folder / "model.onnx").touch()
    return folder


def test_onnx_runtime_gets_the_float_graph(tmp_path: Path) -> None:
    folder = version(tmp_path, "fp32")
    assert PipelineSettings(repository=tmp_path).graph == folder / "model.onnx"


def test_a_quantized_graph_would_be_no_comparison(tmp_path: Path) -> None:
    version(tmp_path / "served", "int8")
    settings = PipelineSettings(repository=tmp_path / "served")
    with pytest.raises(PeerError, match="is in int8, and peers are measured in FP32"):
        _ = settings.graph
    built = version(tmp_path / "built", "fp32") / "model.onnx"
    assert PipelineSettings(repository=tmp_path / "served", onnx=built).graph == built


def test_a_graph_that_is_missing_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    (version(tmp_path / "served", "fp32") / "model.onnx").unlink()
    settings = ComparisonSettings(
        repository=tmp_path / "served", source=tmp_path, environments=tmp_path
    )
    record = StepRecord(path=None)
    with pytest.raises(PeerError, match="no graph for ONNX Runtime at"):
        Comparison(settings, record, progress=print)
