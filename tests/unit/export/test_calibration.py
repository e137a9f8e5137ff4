"""INT8 from a calibration that ships with the weights, without the photos."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from torch import nn

from packshot_export.build import build
from packshot_export.calibration import Calibration, CalibrationFile
from packshot_export.errors import CalibrationError, ParityError
from packshot_export.golden import Golden
from packshot_export.graph import graph_hash, graph_in, onnx_graph
from packshot_export.manifest import read_manifest
from packshot_export.networks import ExportableNetwork
from packshot_export.pictures import PictureSet, generated_pictures
from packshot_export.precision import Precision, Tolerance
from packshot_export.proof import calibrate
from packshot_export.quantization import calibrated
from packshot_export.recipe import Recipe
from packshot_export.task_metric import ImageAgreement

PHOTOS = generated_pictures(32, 3)


@pytest.fixture(scope="module")
def small(small: ExportableNetwork) -> ExportableNetwork:
    """Sixteen scores are too few to rank."""
    return replace(small, metric=ImageAgreement(output="SCORE", peak=10.0))


@pytest.fixture(scope="module")
def graph(small: ExportableNetwork) -> onnx.ModelProto:
    return onnx_graph(small, small.load(small.weights))


@pytest.fixture(scope="module")
def file(small: ExportableNetwork) -> CalibrationFile:
    return calibrate(small, small.weights, PHOTOS)


def test_what_flows_into_each_layer_is_measured(
    small: ExportableNetwork, graph: onnx.ModelProto
) -> None:
    found = calibrated(small, graph, PHOTOS.pictures)
    assert set(found.layers) == {"body.0.weight", "body.2.weight"}, "sensitive layers too"
    pixels = small.inputs_of(PHOTOS.pictures)["PIXELS"].astype(np.float64) / 64.0
    first = found.layers["body.0.weight"]
    assert first.largest == pytest.approx(pixels.max())
    assert first.means == pytest.approx(pixels.mean(axis=(0, 1, 2)), rel=1e-4)


def test_the_file_makes_the_same_graph_as_the_photos(
    small: ExportableNetwork, file: CalibrationFile, tmp_path: Path
) -> None:
    path = tmp_path / "small.int8.json"
    file.write(path)
    read = CalibrationFile.read(path, file.weights_sha256)
    assert read == file
    module: nn.Module = small.load(small.weights)
    from_photos = graph_in(Precision.INT8, small, module, PHOTOS.pictures[::2])
    from_file = graph_in(Precision.INT8, small, module, read.calibration)
    assert graph_hash(from_file) == graph_hash(from_photos)


def test_a_calibration_of_other_weights_is_refused(file: CalibrationFile, tmp_path: Path) -> None:
    path = tmp_path / "small.int8.json"
    file.write(path)
    with pytest.raises(CalibrationError, match="measured with other weights"):
        CalibrationFile.read(path, "0" * 64)


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"layers": {"a": {}}}'])
def test_a_damaged_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "small.int8.json"
    path.write_text(text)
    with pytest.raises(CalibrationError, match="is no calibration"):
        CalibrationFile.read(path, "")


def test_a_layer_that_is_missing_is_named(small: ExportableNetwork) -> None:
    with pytest.raises(CalibrationError, match=r"lacks 1 of the quantized layers, .* body.0"):
        graph_in(Precision.INT8, small, small.load(small.weights), Calibration(layers={}))


def test_int8_that_costs_too_much_is_not_calibrated(small: ExportableNetwork) -> None:
    strict = {p: {"SCORE": Tolerance(absolute=1e-9)} for p in Precision}
    with pytest.raises(ParityError, match="in int8 does not answer"):
        calibrate(replace(small, tolerances=strict), small.weights, PHOTOS)


def test_a_build_takes_the_shipped_calibration(
    small: ExportableNetwork, file: CalibrationFile, tmp_path: Path
) -> None:
    file.write(small.calibration_file)
    recipe = Recipe(precision=Precision.INT8, pictures=16)
    try:
        folder = build(small, repository=tmp_path, recipe=recipe)
    finally:
        small.calibration_file.unlink()
    manifest = read_manifest(folder)
    assert Golden.read(folder).precision is Precision.INT8
    assert manifest["calibration"] == json.loads(json.dumps(file.facts()))
    compared = {item["runtime"] for item in manifest["parity"]["metrics"]}
    assert compared == {"OpenVINO"}, "against the graph; the graph was proved before it shipped"


def test_photos_given_go_before_the_shipped_calibration(
    small: ExportableNetwork, file: CalibrationFile, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    _write(PHOTOS, photos)
    file.write(small.calibration_file)
    recipe = Recipe(precision=Precision.INT8, pictures=32, calibration=photos)
    try:
        folder = build(small, repository=tmp_path, recipe=recipe)
    finally:
        small.calibration_file.unlink()
    manifest = read_manifest(folder)
    assert manifest["calibration"] is None
    assert manifest["pictures"]["source"] == str(photos)


def _write(pictures: PictureSet, folder: Path) -> None:
    import cv2

    folder.mkdir()
    for index, picture in enumerate(pictures.pictures):
        cv2.imwrite(str(folder / f"{index:02}.png"), picture[:, :, ::-1])
