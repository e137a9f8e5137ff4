"""What was compiled is kept, answers the same, and is never trusted more than its files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset8

from packshot.errors import ModelRepositoryError
from packshot.serving.compiled_network import compiled_network

SHAPES = {"PIXELS": (1, 3, 16, 16)}


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A convolution with random weights, as ``model.xml`` and ``model.bin``."""
    pixels = opset8.parameter([-1, 3, -1, -1], np.float32, name="PIXELS")
    weights = np.random.default_rng(3).normal(size=(4, 3, 3, 3)).astype(np.float32)
    convolved = opset8.convolution(pixels, weights, [1, 1], [1, 1], [1, 1], [1, 1])
    model = ov.Model([opset8.relu(convolved)], [pixels], "toy")
    model.input(0).get_tensor().set_names({"PIXELS"})
    folder = tmp_path / "toy_net" / "1"
    folder.mkdir(parents=True)
    ov.save_model(model, folder / "model.xml", compress_to_fp16=False)
    return folder / "model.xml"


def answer(network: Any) -> Any:
    pixels = np.random.default_rng(4).normal(size=SHAPES["PIXELS"]).astype(np.float32)
    return network([pixels])[0]


def compiled(network: Path, cache: Path, **changes: Any) -> Any:
    return compiled_network(network, **{"threads": 1, "shapes": SHAPES, "cache": cache, **changes})


def kept(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


def test_the_second_time_it_is_imported_and_answers_the_same(network: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = answer(compiled(network, cache))
    (blob,) = kept(cache)
    written = blob.stat().st_mtime_ns
    again = compiled(network, cache)
    assert kept(cache)[0].stat().st_mtime_ns == written, "it was compiled again"
    np.testing.assert_array_equal(answer(again), first)


def test_other_weights_threads_or_shapes_are_compiled_anew(network: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = answer(compiled(network, cache))
    weights = network.with_suffix(".bin")
    weights.write_bytes((2 * np.frombuffer(weights.read_bytes(), np.float32)).tobytes())
    assert not np.array_equal(answer(compiled(network, cache)), first)
    compiled(network, cache, threads=2)
    compiled(network, cache, shapes=None)
    assert len(kept(cache)) == 4


@pytest.mark.parametrize("damage", [b"", b"x" * 100])
def test_a_damaged_one_is_replaced(network: Path, tmp_path: Path, damage: bytes) -> None:
    cache = tmp_path / "cache"
    first = answer(compiled(network, cache))
    (blob,) = kept(cache)
    whole = blob.read_bytes()
    blob.write_bytes(whole[:-100] + damage)
    np.testing.assert_array_equal(answer(compiled(network, cache)), first)
    assert kept(cache) == [blob]
    assert len(blob.read_bytes()) == len(whole)


def test_a_folder_that_cannot_be_written_is_no_fault(network: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert answer(compiled(network, tmp_path / "file" / "cache")).shape == (1, 4, 16, 16)


def test_old_ones_make_room(network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    compiled(network, cache)
    (old,) = kept(cache)
    limit = int(1.5 * old.stat().st_size)
    monkeypatch.setattr("packshot.serving.compiled_network._KEPT_BYTES", limit)
    compiled(network, cache, threads=2)
    assert len(kept(cache)) == 1
    assert kept(cache) != [old]


def test_a_network_that_was_not_built_is_named(network: Path, tmp_path: Path) -> None:
    shutil.rmtree(network.parent)
    with pytest.raises(ModelRepositoryError, match=r"packshot-export build toy$"):
        compiled(network, tmp_path)
