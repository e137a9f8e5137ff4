"""``packshot-train`` and ``packshot-eval``: whole runs on tiny data, and their refusals."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from typer.testing import CliRunner

from packshot.models.quality import QualityNet
from packshot.models.weights import load_quality_net, save_weights
from packshot.training import cli
from packshot.training.degradations import FAULTS
from packshot.training.evaluation import cli as evaluation_cli
from packshot.training.evaluation import quality as quality_evaluation
from packshot.training.feedback.recipe import FeedbackRecipe

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "quality.safetensors"
    save_weights(QualityNet(), path, metadata={})
    return path


@pytest.fixture
def labels(data_folder: Path, tmp_path: Path) -> Path:
    photos = sorted((data_folder / "biq2021" / "images").glob("*.jpg"))[:20]
    rows = [f"{photo},{index * 5},{'ab'[index % 2]}" for index, photo in enumerate(photos)]
    path = tmp_path / "my.csv"
    path.write_text("\n".join(["file,score,subset", *rows]) + "\n")
    return path


def test_learning_from_labels(
    weights: Path, labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        cli,
        "FeedbackRecipe",
        lambda grades: FeedbackRecipe(grades=grades, steps=2, views=1, spoilt_copies=1),
    )
    run = tmp_path / "run"
    arguments = ["quality", "--labels", labels, "--init", weights, "--run", run, "--threads", 1]
    result = RUNNER.invoke(cli.app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    load_quality_net(run / "quality.safetensors")
    with safe_open(run / "quality.safetensors", framework="pt") as stored:
        assert stored.metadata()["recipe"] == "feedback"
    assert json.loads((run / "feedback.json").read_text())["learned_from"] == 16


def test_training_from_scratch_writes_weights_and_curves(data_folder: Path, tmp_path: Path) -> None:
    arguments = ["quality", "--data", data_folder, "--run", tmp_path, "--recipe", "smoke"]
    arguments += ["--photos", 8, "--workers", 0, "--threads", 1]
    result = RUNNER.invoke(cli.app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    load_quality_net(tmp_path / "quality.safetensors")
    assert (tmp_path / "curves.png").is_file()
    with safe_open(tmp_path / "quality.safetensors", framework="pt") as stored:
        assert stored.metadata()["recipe"] == "smoke"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "needs --data"),
        (["--data", ".", "--photos-root", "w"], "goes with --labels"),
        (["--data", ".", "--recipe", "secret"], "no recipe 'secret'"),
        (["--labels", "my.csv"], "--labels needs --init"),
        (["--labels", "m", "--init", "w", "--medium-from", "90"], "expected 0 < medium_from"),
    ],
)
def test_wrong_options_of_training(arguments: list[str], message: str) -> None:
    result = RUNNER.invoke(cli.app, ["quality", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --data, or --labels, or both"),
        (["--labels", "m", "--high-from", "10"], "expected 0 < medium_from"),
    ],
)
def test_wrong_options_of_evaluation(arguments: list[str], message: str) -> None:
    result = RUNNER.invoke(evaluation_cli.app, ["quality", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert message in result.output


def test_errors_end_with_a_message_and_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = str(tmp_path / "gone.csv")
    for module, arguments in (
        (cli, ["packshot-train", "quality", "--labels", gone, "--init", gone]),
        (evaluation_cli, ["packshot-eval", "quality", "--labels", gone]),
        (evaluation_cli, ["packshot-eval", "quality", "--data", str(tmp_path)]),
    ):
        monkeypatch.setattr("sys.argv", arguments)
        with pytest.raises(SystemExit) as ended:
            module.main()
        assert ended.value.code == 2
        said = capsys.readouterr().err.lstrip()  # rich may have begun a line for its bars
        assert said.startswith(f"{arguments[0]}: no ")
        assert "Traceback" not in said


def test_evaluation_of_own_labels(weights: Path, labels: Path) -> None:
    arguments = ["quality", "--labels", labels, "--weights", weights, "--json"]
    arguments += ["--resamples", 20]
    result = RUNNER.invoke(evaluation_cli.app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [part["subset"] for part in found["agreement"]] == ["all", "a", "b"]
    assert found["comparison"][0]["method"] == "quality network"
    assert len(found["comparison"]) >= 5
    assert found["faults"] == found["false_alarms"] == []


def test_evaluation_on_held_out_photos_writes_a_report(
    weights: Path, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality_evaluation, "FAULTS", FAULTS[1:3])
    arguments = ["quality", "--data", data_folder, "--weights", weights, "--out", tmp_path]
    arguments += ["--photos-per-source", 1, "--resamples", 20]
    result = RUNNER.invoke(
        evaluation_cli.app, [str(argument) for argument in arguments], env={"COLUMNS": "160"}
    )
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.json",
        "report.txt",
        "predictions.csv",
        "scatter.png",
        "failures.png",
        "calibration.png",
        "attribute_curves.png",
        "confusion.png",
    }
    tables = (tmp_path / "report.txt").read_text()
    for text in ("ss03", "contrast (RMS)", "gaussian_blur", "Uncertainty", "Clean studio photos"):
        assert text in tables
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 1 + 9
    numbers = json.loads((tmp_path / "report.json").read_text())
    assert [fault["fault"] for fault in numbers["faults"]] == ["over_exposure", "gaussian_blur"]
    assert len(numbers["weights"]["sha256"]) == 64
