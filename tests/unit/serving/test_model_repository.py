"""Both variants of every config.pbtxt against packshot.contracts, with Triton's own protobuf."""

from __future__ import annotations

import shutil
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from packshot.contracts import (
    DECOUPLED,
    ENHANCEMENT_FAMILY,
    GENERATION_FAMILY,
    MODELS,
    QUALITY,
    RESTORE_NET,
    TensorSpec,
)
from packshot.errors import ModelRepositoryError
from packshot.serving.options import ServerConfig
from packshot.serving.preflight import repository_problems
from packshot.serving.repository import (
    check_model,
    config_path,
    ensemble_steps,
    idle_stages,
    newest_version,
    own_networks,
    python_instances,
    read_config,
    unbuilt_models,
    with_called,
)

ROOT = Path(__file__).parents[3]
REPOSITORY = ROOT / "model_repository"
VARIANTS = (None, "tensorrt")
TRITON_DTYPES = {
    "UINT8": "TYPE_UINT8",
    "INT32": "TYPE_INT32",
    "INT64": "TYPE_INT64",
    "FP32": "TYPE_FP32",
    "BYTES": "TYPE_STRING",
}
STAGES = {"decode_image", "quality_verdict"}
QUALITY_FAMILY = ("decode_image", "quality_net", "quality_verdict", "quality")
ENHANCERS = tuple(spec.name for spec in ENHANCEMENT_FAMILY)
GENERATORS = tuple(spec.name for spec in GENERATION_FAMILY)
OPTIONAL = ENHANCERS + GENERATORS


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
@pytest.mark.parametrize("name", QUALITY_FAMILY + OPTIONAL)
def test_configuration_keeps_to_the_contract(name: str, variant: str | None) -> None:
    spec = MODELS[name]
    config = read_config(config_path(REPOSITORY / name, variant))
    assert config.name == name
    assert config.max_batch_size == spec.max_batch_size
    assert configured(config.input) == declared(spec.inputs)
    assert configured(config.output) == declared(spec.outputs)


def test_every_model_of_the_family_is_there() -> None:
    assert set(QUALITY_FAMILY + OPTIONAL) <= {
        entry.name for entry in REPOSITORY.iterdir() if entry.is_dir()
    }


def test_networks_have_a_gpu_variant_and_the_model_that_holds_one() -> None:
    variants = {path.parents[1].name for path in REPOSITORY.glob("*/configs/tensorrt.pbtxt")}
    assert "quality_net" in variants
    assert variants - {QUALITY.name} <= {name for name in variants if name.endswith("_net")}
    gpu = read_config(config_path(REPOSITORY / "quality_net", "tensorrt"))
    assert gpu.platform == "tensorrt_plan"
    cpu = read_config(config_path(REPOSITORY / "quality_net"))
    assert cpu.backend == "python"


def test_scoring_is_one_process_on_a_cpu_and_an_ensemble_on_a_gpu() -> None:
    cpu = read_config(config_path(REPOSITORY / QUALITY.name))
    assert cpu.backend == "python"
    assert own_networks(cpu).keys() == {"quality_net"}
    assert ensemble_steps(cpu) == ()
    gpu = read_config(config_path(REPOSITORY / QUALITY.name, "tensorrt"))
    assert ensemble_steps(gpu) == ("decode_image", "quality_net", "quality_verdict")


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        (name, variant)
        for name, variant in product(QUALITY_FAMILY + OPTIONAL, VARIANTS)
        # An ensemble has no queue of its own.
        if (name, variant) != (QUALITY.name, "tensorrt")
    ],
)
def test_overload_is_refused_not_queued_for_ever(name: str, variant: str | None) -> None:
    batching = read_config(config_path(REPOSITORY / name, variant)).dynamic_batching
    policy = batching.default_queue_policy
    assert policy.max_queue_size > 0
    assert policy.timeout_action == policy.REJECT
    assert 0 < policy.default_timeout_microseconds <= 30_000_000
    # With both, Triton miscounts its idle instances for ever (triton-inference-server #8870).
    assert batching.max_queue_delay_microseconds == 0


def test_ensemble_passes_every_tensor_on() -> None:
    """Each step gets all its inputs by name, from the ensemble or from a step before it."""
    config = read_config(config_path(REPOSITORY / QUALITY.name, "tensorrt"))
    known = {tensor.name for tensor in QUALITY.inputs}
    for step in config.ensemble_scheduling.step:
        spec = MODELS[step.model_name]
        assert set(step.input_map) == {tensor.name for tensor in spec.inputs}
        assert set(step.input_map.values()) <= known
        assert set(step.output_map) == {tensor.name for tensor in spec.outputs}
        known |= set(step.output_map.values())
    assert {tensor.name for tensor in QUALITY.outputs} <= known


@pytest.mark.parametrize("name", ["enhance", "upscale", "optimize", *GENERATORS[1:]])
def test_models_that_are_called_are_there(name: str) -> None:
    called = ensemble_steps(read_config(config_path(REPOSITORY / name)))
    assert called
    assert set(called) <= MODELS.keys()


@pytest.mark.parametrize("name", OPTIONAL)
def test_all_else_stands_back_behind_scoring(name: str) -> None:
    cpu = read_config(config_path(REPOSITORY / name))
    assert int(cpu.parameters["niceness"].string_value) >= 10
    if name.endswith("_net"):
        gpu = read_config(config_path(REPOSITORY / name, "tensorrt"))
        assert gpu.optimization.priority == gpu.optimization.PRIORITY_MIN
        resources = [group.rate_limiter.resources[0].name for group in cpu.instance_group]
        assert resources == ["image_networks"]


@pytest.mark.parametrize("name", QUALITY_FAMILY + OPTIONAL)
def test_what_streams_is_decoupled(name: str) -> None:
    config = read_config(config_path(REPOSITORY / name))
    assert config.model_transaction_policy.decoupled == (name in DECOUPLED)


@pytest.fixture
def unbuilt(tmp_path: Path) -> Path:
    """The repository as a machine has it that built the quality network and the upscalers."""
    folder = tmp_path / "model_repository"
    shutil.copytree(REPOSITORY, folder, ignore=shutil.ignore_patterns("__pycache__", "*.bin"))
    for name in OPTIONAL:
        if name.endswith("_net"):
            shutil.rmtree(folder / name / "1", ignore_errors=True)
            (folder / name / "1").mkdir()
            for file in ("model.py", "model.xml"):
                (folder / name / "1" / file).touch()
    shutil.rmtree(folder / RESTORE_NET.name / "1")
    return folder


def test_unbuilt_network_is_left_out_with_those_that_need_it(unbuilt: Path) -> None:
    missing = unbuilt_models(unbuilt)
    assert missing.keys() == {"restore_net", "enhance", "optimize"}
    assert "packshot-export build restore" in missing["restore_net"]
    config = ServerConfig(model_repository=unbuilt)
    served = {*QUALITY_FAMILY, *OPTIONAL} - missing.keys() - STAGES
    assert set(config.models_at_start()) == served
    assert config.left_out().keys() == missing.keys() | STAGES


def test_stages_are_served_where_a_model_calls_them(tmp_path: Path) -> None:
    """Which is so on a GPU; a machine without one is spared their processes."""
    for name in QUALITY_FAMILY:
        (tmp_path / name).symlink_to(REPOSITORY / name)
    assert idle_stages(tmp_path).keys() == STAGES
    assert idle_stages(tmp_path, "tensorrt") == {}
    gpu = ServerConfig(model_repository=tmp_path, model_config_name="tensorrt")
    assert set(gpu.models_at_start()) == set(QUALITY_FAMILY)


def test_generation_is_left_out_without_the_generator(unbuilt: Path) -> None:
    """A server starts, and says why, where the generator was never trained or built."""
    shutil.rmtree(unbuilt / "generator_net" / "1")
    missing = unbuilt_models(unbuilt)
    assert missing.keys() > set(GENERATORS)
    assert "packshot-export build generator" in missing["generator_net"]
    assert missing["generate"] == "generate needs generator_net"
    assert not set(GENERATORS) & set(ServerConfig(model_repository=unbuilt).models_at_start())


def test_model_that_is_named_must_be_built(unbuilt: Path) -> None:
    config = ServerConfig(
        model_repository=unbuilt, model_control_mode="explicit", models=("enhance",)
    )
    assert config.left_out() == {}
    assert config.models_at_start() == ("enhance", "restore_net")
    (problem,) = repository_problems(config)
    assert "packshot-export build restore" in str(problem)


def test_naming_a_model_loads_what_it_calls(unbuilt: Path) -> None:
    assert with_called(unbuilt, ("upscale",)) == ("upscale", "upscale_x2_net", "upscale_x4_net")
    assert with_called(unbuilt, ("quality",)) == ("quality",)
    assert with_called(unbuilt, ("nosuch",)) == ("nosuch",)


def test_scoring_is_never_left_out(unbuilt: Path) -> None:
    shutil.rmtree(unbuilt / "quality_net" / "1", ignore_errors=True)
    config = ServerConfig(model_repository=unbuilt)
    assert "quality_net" in config.models_at_start()
    assert any("quality_net" in str(problem) for problem in repository_problems(config))


def test_what_is_built_is_ignored_and_what_is_written_is_kept() -> None:
    def is_ignored(path: str) -> bool:
        done = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=ROOT, check=False)
        if done.returncode > 1:
            pytest.skip("not a git checkout")
        return done.returncode == 0

    assert is_ignored("model_repository/quality_net/1/model.xml")
    assert is_ignored("model_repository/quality_net/2/model.plan")
    assert is_ignored("model_repository/restore_net/1/model.xml")
    assert not is_ignored("model_repository/enhance/1/model.py")
    assert not is_ignored("model_repository/decode_image/1/model.py")
    assert not is_ignored("model_repository/quality/1/model.py")


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
