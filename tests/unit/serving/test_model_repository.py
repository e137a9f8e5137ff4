"""Both variants of every config.pbtxt against packshot.contracts, with Triton's own protobuf."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from packshot.contracts import MODELS, QUALITY, TensorSpec
from packshot.errors import ModelRepositoryError
from packshot.serving.repository import (
    check_model,
    config_path,
    ensemble_steps,
    newest_version,
    python_instances,
    read_config,
)

ROOT = Path(__file__).parents[3]
REPOSITORY = ROOT / "model_repository"
VARIANTS = (None, "tensorrt")
TRITON_DTYPES = {"UINT8": "TYPE_UINT8", "FP32": "TYPE_FP32", "BYTES": "TYPE_STRING"}
QUALITY_FAMILY = ("decode_image", "quality_net", "quality_verdict", "quality")


def declared(specs: tuple[TensorSpec, ...]) -> list[tuple[str, str, list[int], bool]]:
    return [(s.name, TRITON_DTYPES[s.dtype], list(s.shape), s.optional) for s in specs]


def configured(tensors: Any) -> list[tuple[str, str, list[int], bool]]:
    return [
        (
            tensor.name,
            type(tensor)
            .DESCRIPTOR.fields_by_name["data_type"]
            .enum_type.values_by_number[tensor.data_type]
            .name,
            list(tensor.dims),
            getattr(tensor, "optional", False),
        )
        for tensor in tensors
    ]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", QUALITY_FAMILY)
def test_configuration_keeps_to_the_contract(name: str, variant: str | None) -> None:
    spec = MODELS[name]
    config = read_config(config_path(REPOSITORY / name, variant))
    assert config.name == name
    assert config.max_batch_size == spec.max_batch_size
    assert configured(config.input) == declared(spec.inputs)
    assert configured(config.output) == declared(spec.outputs)


def test_every_model_of_the_family_is_there() -> None:
    assert set(QUALITY_FAMILY) <= {entry.name for entry in REPOSITORY.iterdir() if entry.is_dir()}


def test_only_the_network_has_a_gpu_variant() -> None:
    variants = {path.parents[1].name for path in REPOSITORY.glob("*/configs/tensorrt.pbtxt")}
    assert "quality_net" in variants
    assert variants <= {name for name in variants if name.endswith("_net")}
    gpu = read_config(config_path(REPOSITORY / "quality_net", "tensorrt"))
    assert gpu.platform == "tensorrt_plan"
    cpu = read_config(config_path(REPOSITORY / "quality_net"))
    assert cpu.backend == "python"


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", QUALITY_FAMILY[:3])
def test_overload_is_refused_not_queued_for_ever(name: str, variant: str | None) -> None:
    batching = read_config(config_path(REPOSITORY / name, variant)).dynamic_batching
    policy = batching.default_queue_policy
    assert policy.max_queue_size > 0
    assert policy.timeout_action == policy.REJECT
    assert 0 < policy.default_timeout_microseconds <= 30_000_000


def test_ensemble_passes_every_tensor_on() -> None:
    """Each step gets all its inputs by name, from the ensemble or from a step before it."""
    config = read_config(REPOSITORY / QUALITY.name / "config.pbtxt")
    known = {tensor.name for tensor in QUALITY.inputs}
    for step in config.ensemble_scheduling.step:
        spec = MODELS[step.model_name]
        assert set(step.input_map) == {tensor.name for tensor in spec.inputs}
        assert set(step.input_map.values()) <= known
        assert set(step.output_map) == {tensor.name for tensor in spec.outputs}
        known |= set(step.output_map.values())
    assert {tensor.name for tensor in QUALITY.outputs} <= known


def test_what_is_built_is_ignored_and_what_is_written_is_kept() -> None:
    def is_ignored(path: str) -> bool:
        done = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=ROOT, check=False)
        if done.returncode > 1:
            pytest.skip("not a git checkout")
        return done.returncode == 0

    assert is_ignored("model_repository/quality_net/1/model.xml")
    assert is_ignored("model_repository/quality_net/2/model.plan")
    assert not is_ignored("model_repository/decode_image/1/model.py")
    assert not is_ignored("model_repository/quality/1/.gitkeep")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A Python-backend model ``tiny_net`` that wants ``model.xml``."""
    folder = tmp_path / "tiny_net"
    (folder / "2").mkdir(parents=True)
    (folder / "10").mkdir()
    (folder / "config.pbtxt").write_text(
        'name: "tiny_net" backend: "python" '
        'parameters { key: "model_file" value { string_value: "model.xml" } } '
        "instance_group [ { count: 2 }, { count: 1 } ]"
    )
    for file in ("model.py", "model.xml"):
        (folder / "10" / file).touch()
    return folder


def test_complete_model(model: Path) -> None:
    config = check_model(model.parent, "tiny_net")
    assert newest_version(model) == model / "10"
    assert python_instances(config) == 3
    assert ensemble_steps(config) == ()


@pytest.mark.parametrize("file", ["model.py", "model.xml"])
def test_missing_file_says_what_makes_it(model: Path, file: str) -> None:
    (model / "10" / file).unlink()
    with pytest.raises(ModelRepositoryError, match=rf"10/{file} is missing.*build tiny"):
        check_model(model.parent, "tiny_net")


def test_variant_wants_its_own_file(model: Path) -> None:
    (model / "configs").mkdir()
    (model / "configs" / "tensorrt.pbtxt").write_text('name: "tiny_net" platform: "tensorrt_plan"')
    check_model(model.parent, "tiny_net")
    with pytest.raises(ModelRepositoryError, match=r"model\.plan is missing"):
        check_model(model.parent, "tiny_net", "tensorrt")


def test_missing_configuration(model: Path) -> None:
    (model / "config.pbtxt").unlink()
    with pytest.raises(ModelRepositoryError, match=r"config\.pbtxt is missing"):
        check_model(model.parent, "tiny_net")


def test_configuration_that_is_none(model: Path) -> None:
    (model / "config.pbtxt").write_text("nonsense: [")
    with pytest.raises(ModelRepositoryError, match="not a model configuration"):
        check_model(model.parent, "tiny_net")


def test_configuration_of_another_model(model: Path) -> None:
    (model / "config.pbtxt").write_text('name: "other" backend: "python"')
    with pytest.raises(ModelRepositoryError, match="names the model 'other'"):
        check_model(model.parent, "tiny_net")


def test_unknown_model_lists_the_known(model: Path) -> None:
    with pytest.raises(ModelRepositoryError, match="tiny_net"):
        check_model(model.parent, "nosuch")
