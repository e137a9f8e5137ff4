"""Comparing variants: what edits change, what is refused before anything starts, the tables."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from typer.testing import CliRunner

from packshot.contracts import QUALITY_FAMILY
from packshot.errors import ModelRepositoryError
from packshot.serving.repository import read_config
from packshot_loadtest.errors import ResultFileError, SettingsError
from packshot_loadtest.step_record import StepRecord, open_record
from packshot_loadtest.tuning.__main__ import app
from packshot_loadtest.tuning.edits import parse_edits
from packshot_loadtest.tuning.settings import TuningSettings
from packshot_loadtest.tuning.table import markdown
from packshot_loadtest.tuning.variants import (
    SHIPPED,
    parse_variants,
    repository_with,
    variant_configs,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The shipped configurations, with empty files where networks and code belong."""
    folder = tmp_path / "models"
    for spec in QUALITY_FAMILY:
        version = folder / spec.name / "1"
        version.mkdir(parents=True)
        shipped = ROOT / "model_repository" / spec.name
        shutil.copy(shipped / "config.pbtxt", version.parent)
        if (shipped / "configs").is_dir():
            shutil.copytree(shipped / "configs", version.parent / "configs")
        for name in ("model.py", "model.xml", "model.plan"):
            (version / name).touch()
    return folder


@pytest.fixture
def edited(models: Path) -> Callable[[str], dict[str, Any]]:
    """Configurations of a variant with these edits, as Triton reads them."""

    def edit(edits: str) -> dict[str, Any]:
        *_, variant = parse_variants([f"edited={edits}"])
        return {
            model: text_format.Parse(text, model_config_pb2.ModelConfig())
            for model, text in variant_configs(models, variant).items()
        }

    return edit


def test_edits_change_what_they_name_and_nothing_else(
    models: Path, edited: Callable[[str], dict[str, Any]]
) -> None:
    configs = edited(
        "quality:threads=2, quality:instances=1,quality:max_queue_size=7,"
        "quality:max_queue_delay_microseconds=500,quality:default_timeout_microseconds=9,"
        "quality:preferred_batch_size=2,quality:policy_dir=/policies"
    )
    before = {name: read_config(models / name / "config.pbtxt") for name in configs}
    quality = before["quality"]
    quality.instance_group[0].count = 1
    quality.parameters["threads"].string_value = "2"
    quality.dynamic_batching.max_queue_delay_microseconds = 500
    quality.dynamic_batching.default_queue_policy.max_queue_size = 7
    quality.dynamic_batching.default_queue_policy.default_timeout_microseconds = 9
    quality.dynamic_batching.preferred_batch_size[:] = [2]
    quality.parameters["policy_dir"].string_value = "/policies"
    assert configs == before


def test_another_configuration_brings_its_models_with_it(
    models: Path, edited: Callable[[str], dict[str, Any]]
) -> None:
    assert edited("").keys() == {"quality", "quality_net"}
    configs = edited("quality:config=tensorrt,decode_image:-queue_policy,quality_net:threads=2")
    before = {name: read_config(models / name / "config.pbtxt") for name in configs}
    before["quality"] = read_config(models / "quality" / "configs" / "tensorrt.pbtxt")
    before["decode_image"].dynamic_batching.ClearField("default_queue_policy")
    before["quality_net"].parameters["threads"].string_value = "2"
    assert configs == before
    assert configs.keys() == {"decode_image", "quality_net", "quality_verdict", "quality"}


def test_a_configuration_is_taken_before_it_is_edited(
    models: Path, edited: Callable[[str], dict[str, Any]]
) -> None:
    configs = edited("quality_net:instances=3,quality_net:config=tensorrt,quality:config=tensorrt")
    net = read_config(models / "quality_net" / "configs" / "tensorrt.pbtxt")
    net.instance_group[0].count = 3
    assert configs["quality_net"] == net


def test_a_configuration_needs_its_own_files(
    models: Path, edited: Callable[[str], dict[str, Any]]
) -> None:
    (models / "quality_net" / "1" / "model.plan").unlink()
    with pytest.raises(ModelRepositoryError, match=r"model\.plan is missing"):
        edited("quality:config=tensorrt,quality_net:config=tensorrt")


def test_whole_batching_and_parameters_can_be_taken_out(
    edited: Callable[[str], dict[str, Any]],
) -> None:
    quality = edited("quality:-dynamic_batching,quality:-streams")["quality"]
    assert not quality.HasField("dynamic_batching")
    assert "streams" not in quality.parameters
    assert "threads" in quality.parameters


def test_the_shipped_variant_comes_first_and_is_the_repository(models: Path) -> None:
    first, second = parse_variants(["again="])
    assert first == SHIPPED
    for variant in (first, second):
        for model, text in variant_configs(models, variant).items():
            assert text == (models / model / "config.pbtxt").read_text()


def test_a_copy_has_all_files_and_leaves_the_original_alone(models: Path) -> None:
    before = {path: path.read_bytes() for path in models.rglob("*") if path.is_file()}
    *_, variant = parse_variants(["one=quality:instances=1"])
    with repository_with(models, variant_configs(models, variant)) as copy:
        assert {path.name for path in copy.iterdir()} == {"quality", "quality_net"}
        assert (copy / "quality_net" / "1" / "model.xml").exists()
        assert (copy / "quality" / "configs").is_dir()
        assert read_config(copy / "quality" / "config.pbtxt").instance_group[0].count == 1
    assert not copy.exists()
    assert before == {path: path.read_bytes() for path in models.rglob("*") if path.is_file()}


REFUSED = {
    "no such model": ("enhance:instances=1", "no photo goes through enhance here, only through q"),
    "not loaded": ("decode_image:instances=1", "only through quality; for others take quality:con"),
    "files only": ("quality_net:threads=1", "no photo goes through quality_net here"),
    "none for others": (
        "quality:config=tensorrt,enhance:instances=1",
        "only through decode_image, quality_net, quality_verdict",
    ),
    "ensemble": (
        "quality:config=tensorrt,quality:instances=1",
        "edit one of its steps: decode_image, quality_net",
    ),
    "no such configuration": ("quality:config=cuda", "beside config.pbtxt, there is tensorrt"),
    "no path": ("quality:config=../configs/tensorrt", "no such configuration beside config.pbtxt"),
    "no configurations": (
        "quality:config=tensorrt,decode_image:config=tensorrt",
        "beside config.pbtxt, there is none",
    ),
    "no such key": ("quality:thread=2", "no 'thread' that can be set; there are instances"),
    "names what there is": ("quality:thread=2", "config, max_bytes, max_pixels, max_side"),
    "not removable": ("quality:-instances", "no 'instances' that can be taken out"),
    "no configuration left": ("quality:-config", "no 'config' that can be taken out"),
    "words for a number": ("quality:threads=two", "a whole number, 0 or more, got 'two'"),
    "negative": ("quality:threads=-1", "a whole number, 0 or more, got '-1'"),
    "no process": ("quality:instances=0", "1 to 64, got '0'"),
    "too many": ("quality:instances=65", "1 to 64, got '65'"),
    "more than 32 bits": ("quality:max_queue_size=4294967296", "0 to 4294967295"),
    "more than a batch": ("quality:preferred_batch_size=33", "has at most 32"),
    "no queue left": (
        "quality:-dynamic_batching,quality:max_queue_size=5",
        "no dynamic_batching",
    ),
    "no policy left": (
        "quality:-dynamic_batching,quality:-queue_policy",
        "no queue_policy to take out",
    ),
}


@pytest.mark.parametrize(("edits", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_fit_the_repository_is_refused(
    edited: Callable[[str], dict[str, Any]], edits: str, says: str
) -> None:
    with pytest.raises(SettingsError, match="variant 'edited', ") as refused:
        edited(edits)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "text", ["quality", "quality:threads", "quality:threads=", "threads=2", "a:-"]
)
def test_what_is_no_edit_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="expected model:key=value or model:-key"):
        parse_edits(text)


def test_the_same_key_twice_is_refused() -> None:
    with pytest.raises(SettingsError, match="quality:threads is edited twice"):
        parse_edits("quality:threads=1,quality:threads=2")


@pytest.mark.parametrize("text", ["", "two", "=quality:threads=2", "a|b=", "a\nb="])
def test_what_is_no_variant_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="a variant must be NAME=EDITS"):
        parse_variants([text])


@pytest.mark.parametrize("names", [["a", "a"], ["as shipped"], ["in-process"]])
def test_names_taken_are_refused(names: list[str]) -> None:
    with pytest.raises(SettingsError, match="already"):
        parse_variants(f"{name}=" for name in names)


def test_a_repository_that_is_not_there_or_not_whole_is_refused(models: Path) -> None:
    with pytest.raises(SettingsError, match=r"no model repository at .*nowhere"):
        variant_configs(models / "nowhere", SHIPPED)
    (models / "quality_net" / "1" / "model.xml").unlink()
    with pytest.raises(ModelRepositoryError, match=r"model\.xml is missing"):
        variant_configs(models, SHIPPED)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rates": (0.0,)}, "rates must be above 0"),
        ({"rates": (5.0, 5.0)}, "each given once"),
        ({"repeats": 0}, "once at least"),
        ({"duration_s": 0.0}, "must be above 0 s"),
        ({"variants": ()}, "no variant"),
    ],
)
def test_settings_that_measure_nothing_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        TuningSettings(repository=Path("models"), **changes)


def test_the_command_refuses_before_anything_starts(models: Path, tmp_path: Path) -> None:
    record = tmp_path / "tuning.json"
    arguments = [f"--repository={models}", f"--json={record}", "--variant=x=quality:thread=2"]
    ended = CliRunner().invoke(app, arguments)
    assert isinstance(ended.exception, SettingsError)
    assert not record.exists()


def rate_values(p50: float, p99: float, **more: Any) -> dict[str, Any]:
    fine = {"planned": 100, "over": 1, "failed": 0, "wrong": 0, "late": 2, "reasons": []}
    return {"p50_ms": p50, "p99_ms": p99, **fine, **more}


def variant_step(lone_ms: float, rate: dict[str, Any], in_flight: float) -> dict[str, Any]:
    return {
        "lone_ms": lone_ms,
        "rates": {"12": rate},
        "in_flight_per_s": in_flight,
        "closed_loop_errors": 0,
        "memory_mib": 400.0,
    }


@pytest.fixture
def settings() -> TuningSettings:
    return TuningSettings(
        repository=Path("models"),
        variants=parse_variants(["fast=quality:threads=2"]),
        rates=(12.0,),
        repeats=3,
    )


@pytest.fixture
def record() -> StepRecord:
    """Three repeats, of which the last found the machine at half its speed."""
    steps: dict[str, dict[str, Any]] = {}
    for repeat, slow in enumerate((1, 1.1, 2)):
        steps[f"in-process.{repeat}"] = {"lone_ms": 20 * slow, "in_flight_per_s": 100 / slow}
        shipped = variant_step(30 * slow, rate_values(28 * slow, 90 * slow), 80 / slow)
        steps[f"as shipped.{repeat}"] = shipped
        fast = variant_step(24 * slow, rate_values(14 * slow, 45 * slow), 88 / slow)
        steps[f"fast.{repeat}"] = fast
    return StepRecord(path=None, steps=steps)


def rows_of(text: str) -> list[dict[str, str]]:
    """Rows of all tables, as cells by heading."""
    rows: list[dict[str, str]] = []
    headings: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or line.startswith("|---"):
            continue
        if cells[0] == "variant":
            headings = cells
        else:
            rows.append(dict(zip(headings, cells, strict=True)))
    return rows


def test_the_table_has_medians_and_their_spread(
    record: StepRecord, settings: TuningSettings
) -> None:
    shipped, fast, floor, ratios = rows_of(markdown(record, settings))
    assert shipped["variant"] == "as shipped"
    assert shipped["lone ms"] == "33.0 (30.0 to 60.0)"
    # Of each repeat against its own floor: 10, 11 and 20 ms.
    assert shipped["added ms"] == "11.0 (10.0 to 20.0)"
    assert shipped["12/s: p99 ms"] == "99.0 (90.0 to 180.0)"
    assert shipped["12/s: over 100 ms"] == "3 of 300"
    assert shipped["12/s: late, failed"] == "6, 0"
    assert shipped["of in-process"] == "0.80 (0.80 to 0.80)"
    assert fast["32 in flight, photos/s"] == "80.0 (44.0 to 88.0)"
    assert floor["lone ms"] == "22.0 (20.0 to 40.0)"
    # A slow moment hits both sides of a ratio.
    assert ratios["lone"] == "0.80 (0.80 to 0.80)"
    assert ratios["12/s: p99"] == "0.50 (0.50 to 0.50)"
    assert ratios["32 in flight"] == "1.10 (1.10 to 1.10)"


def test_the_table_of_what_is_done_so_far(record: StepRecord, settings: TuningSettings) -> None:
    kept = {"in-process.0", "as shipped.0"}
    record.steps = {name: step for name, step in record.steps.items() if name in kept}
    shipped, fast, _, ratios = rows_of(markdown(record, settings))
    assert shipped["lone ms"] == "30.0"
    assert set(fast.values()) == {"fast", "–"}
    assert set(ratios.values()) == {"fast", "–"}


def test_nothing_answered_is_a_dash_and_its_errors_are_counted(
    record: StepRecord, settings: TuningSettings
) -> None:
    for repeat in range(3):
        run = {"p50_ms": None, "p99_ms": None, "over": 0, "failed": 100}
        record.steps[f"fast.{repeat}"]["rates"]["12"].update(run)
    _, fast, _, ratios = rows_of(markdown(record, settings))
    assert fast["12/s: p99 ms"] == ratios["12/s: p99"] == "–"
    assert fast["12/s: late, failed"] == "6, 300"


def test_wrong_answers_and_runs_that_prove_nothing_are_told(
    record: StepRecord, settings: TuningSettings
) -> None:
    assert "repeat" not in markdown(record, settings).splitlines()[-1]
    run = record.steps["fast.1"]["rates"]["12"]
    run.update(wrong=3, reasons=["9 of 100 requests were sent late"])
    record.steps["as shipped.2"]["closed_loop_errors"] = 4
    text = markdown(record, settings)
    assert "- fast, repeat 2, 12/s: **3 wrong answers**" in text
    assert "- fast, repeat 2, 12/s: not valid, 9 of 100 requests were sent late" in text
    assert "- as shipped, repeat 3: 4 errors of the closed loops" in text


def test_a_record_goes_on_only_with_the_same_settings(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tuning.json"
    context = {"settings": {"duration_s": 20.0, "repeats": 3}, "started": "today"}
    first = open_record(path, context, fresh=True, way_out="begin anew")
    first.add("as shipped.0", {"lone_ms": 1.0})
    again = open_record(path, context, fresh=False, way_out="begin anew")
    assert again.steps == {"as shipped.0": {"lone_ms": 1.0}}
    other = {"settings": {"duration_s": 12.0, "repeats": 3}}
    with pytest.raises(ResultFileError, match="other settings; begin anew"):
        open_record(path, other, fresh=False, way_out="begin anew")
    more = {"settings": {"duration_s": 20.0, "repeats": 4}, "started": "tomorrow"}
    repeated = open_record(path, more, fresh=False, way_out="begin anew")
    assert repeated.steps == again.steps
    assert repeated.context == {**more, "started": "today"}
    assert open_record(path, {"settings": {}}, fresh=True, way_out="").steps == {}
    path.write_text("{")
    with pytest.raises(ResultFileError, match="cannot go on with"):
        open_record(path, context, fresh=False, way_out="begin anew")


def test_settings_are_ready_for_json(settings: TuningSettings) -> None:
    values = json.loads(json.dumps(settings.quick.as_dict()))
    assert values["variants"] == {"as shipped": [], "fast": ["quality:threads=2"]}
    assert values["repeats"] == 1
