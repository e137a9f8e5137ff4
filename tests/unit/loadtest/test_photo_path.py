"""The version of a network that answers photos, whichever else was built or is tried."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from packshot.contracts import ENHANCE, UPSCALE
from packshot.errors import ModelRepositoryError
from packshot.serving.repository import read_config
from packshot_loadtest.photo_path import network_folder, working_models

SHIPPED = Path(__file__).parents[3] / "model_repository"
CPU, GPU = "config.pbtxt", "configs/tensorrt.pbtxt"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The shipped configurations of scoring, with versions 1 to 3 of its network built."""
    for name in ("quality", "quality_net"):
        (tmp_path / name).mkdir()
        shutil.copy(SHIPPED / name / CPU, tmp_path / name)
    for version in "123":
        folder = tmp_path / "quality_net" / version
        folder.mkdir()
        for name in ("model.py", "model.xml"):
            (folder / name).touch()
    return tmp_path


def written(path: Path, pattern: str, replacement: str) -> None:
    text, changed = re.subn(pattern, replacement, path.read_text(), count=1)
    assert changed
    path.write_text(text)


def test_models_that_work_on_a_photo() -> None:
    assert working_models(read_config(SHIPPED / "quality" / CPU)) == ("quality",)
    assert working_models(read_config(SHIPPED / "quality" / GPU)) == (
        "decode_image",
        "quality_net",
        "quality_verdict",
    )


def test_one_process_computes_with_the_version_it_names(models: Path) -> None:
    assert network_folder(models) == models / "quality_net" / "1"
    written(models / "quality" / CPU, "quality_net:1", "quality_net:2")
    assert network_folder(models) == models / "quality_net" / "2"


def test_an_ensemble_calls_the_version_of_its_step(models: Path) -> None:
    shutil.copy(SHIPPED / "quality" / GPU, models / "quality" / CPU)
    assert network_folder(models) == models / "quality_net" / "1"
    step = r'(model_name: "quality_net"\s+model_version: )1'
    written(models / "quality" / CPU, step, r"\g<1>2")
    assert network_folder(models) == models / "quality_net" / "2"


def test_without_a_pin_it_is_the_highest_served(models: Path) -> None:
    shutil.copy(SHIPPED / "quality" / GPU, models / "quality" / CPU)
    step = r'(model_name: "quality_net"\s+model_version: )1'
    written(models / "quality" / CPU, step, r"\g<1>-1")
    assert network_folder(models) == models / "quality_net" / "1"
    written(models / "quality_net" / CPU, r"versions: \[ 1 \]", "versions: [ 1, 2 ]")
    assert network_folder(models) == models / "quality_net" / "2"


def test_pictures_are_computed_with_the_version_that_is_called() -> None:
    for network, caller in (("restore_net", ENHANCE), ("upscale_x2_net", UPSCALE)):
        assert network_folder(SHIPPED, network, caller.name) == SHIPPED / network / "1"


def test_a_missing_model_is_named(models: Path) -> None:
    shutil.rmtree(models / "quality")
    with pytest.raises(ModelRepositoryError, match=r"quality/config\.pbtxt is missing"):
        network_folder(models)
