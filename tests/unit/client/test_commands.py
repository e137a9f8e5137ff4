"""The command line against the fake server: what it prints, writes and exits with."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

from packshot_client import demo as demo_photos
from packshot_client.commands import app
from packshot_client.demo import Comparison, make_demo_photos
from packshot_client.photos import photo_files
from packshot_client.table import one_line

COMMANDS = set(get_command(app).commands)  # type: ignore[attr-defined]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with one photo for each decision, by the fake's rule."""
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"accept")
    (folder / "b.PNG").write_bytes(b"review")
    (folder / "inner" / "c.webp").write_bytes(b"reject")
    (folder / "notes.txt").write_bytes(b"no photo")
    (folder / ".hidden.jpg").write_bytes(b"accept")
    return folder


def run(*arguments: object, code: int | None = None) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if code is not None:
        assert result.exit_code == code, result.output + str(result.exception)
    return result


def score(triton: Any, *arguments: object, code: int | None = None) -> Any:
    return run("score", *arguments, "--server", triton.address, code=code)


@pytest.mark.parametrize(
    ("name", "fail_on", "code"),
    [
        ("a.jpg", "reject", 0),
        ("a.jpg", "review", 0),
        ("b.PNG", "reject", 0),
        ("b.PNG", "review", 1),
        ("inner/c.webp", "reject", 1),
        ("inner/c.webp", "review", 1),
        ("inner/c.webp", "never", 0),
    ],
)
def test_exit_codes_of_decisions(
    triton: Any, photos: Path, name: str, fail_on: str, code: int
) -> None:
    score(triton, photos / name, "--fail-on", fail_on, code=code)


def test_a_photo_that_cannot_be_scored_exits_3(triton: Any, photos: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"bad")
    result = score(triton, photos, code=3)
    assert "Not a picture." in result.stdout
    assert "reject" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["/nowhere.jpg"],
        [],
        ["{photos}", "--fail-on", "maybe"],
        ["{photos}", "--concurrency", "0"],
        ["{photos}", "--timeout", "0"],
        ["{photos}", "--html", "/nowhere/report.html"],
        ["{photos}", "--server", "http://localhost:8001"],
    ],
)
def test_wrong_usage_exits_2(photos: Path, dead_address: str, arguments: list[str]) -> None:
    given = [argument.format(photos=photos) for argument in arguments]
    server = [] if "--server" in given else ["--server", dead_address]
    assert run("score", *given, *server, code=2).stderr


def test_a_policy_that_is_none_exits_2(triton: Any, photos: Path) -> None:
    score(triton, photos, "--policy", " ", code=2)


def test_an_empty_folder_exits_2(triton: Any, tmp_path: Path) -> None:
    assert "holds no photos" in score(triton, tmp_path, code=2).stderr


def test_an_unreachable_server_exits_4(photos: Path, dead_address: str) -> None:
    result = run("score", photos, "--server", dead_address, code=4)
    assert "packshot-serve" in result.stderr
    assert result.stdout == ""


def test_the_table_in_a_pipe_has_whole_rows(triton: Any, photos: Path) -> None:
    lines = score(triton, photos, "--fail-on", "never", code=0).stdout.splitlines()
    assert lines[0].split() == ["File", "Score", "Decision", "Weakest", "Advice"]
    assert lines[1].split()[:3] == [str(photos / "a.jpg"), "88.0", "accept"]
    assert lines[3].endswith("Use a tripod.")
    assert lines[-1] == "Photos 3: accept 1, review 1, reject 1"
    assert "\x1b" not in "".join(lines)


def test_json(triton: Any, photos: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"bad")
    result = score(triton, photos, "--json", code=3)
    records = json.loads(result.stdout)
    assert [record.get("decision") for record in records] == ["accept", "review", None, "reject"]
    assert records[0]["error"] is None
    assert records[2]["error"]["type"] == "InvalidInputError"
    assert records[0]["attributes"].keys() >= {"sharpness", "composition"}


def test_csv_and_html(triton: Any, photos: Path, tmp_path: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"bad")
    outputs = ["--csv", tmp_path / "out.csv", "--html", tmp_path / "out.html"]
    result = score(triton, photos, *outputs, "--lang", "zh", code=3)
    assert "Wrote" in result.stderr
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text("utf-8"))))
    assert [row["decision"] for row in rows] == ["accept", "review", "", "reject"]
    assert rows[0]["advice"] == "请使用三脚架。"
    assert "Not a picture." in rows[2]["error"]
    assert "请使用三脚架。" in (tmp_path / "out.html").read_text("utf-8")


def test_a_file_name_cannot_become_a_formula(
    triton: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("=1+1.jpg").write_bytes(b"accept")
    score(triton, "=1+1.jpg", "--csv", "out.csv", code=0)
    rows = list(csv.DictReader(io.StringIO(Path("out.csv").read_text("utf-8"))))
    assert rows[0]["file"] == "./=1+1.jpg"


def test_odd_file_names_do_no_harm(triton: Any, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    for name in (b"[red]a.jpg", b"\xff.jpg", b"line\nbreak\x1b[31m.jpg"):
        Path(odd / name.decode("utf-8", "surrogateescape")).write_bytes(b"accept")
    outputs = ["--csv", tmp_path / "out.csv", "--html", tmp_path / "out.html"]
    table = score(triton, odd, *outputs, code=0).stdout
    assert "[red]a.jpg" in table
    assert "\x1b" not in table
    assert len(table.splitlines()) == 6
    assert len(json.loads(score(triton, odd, "--json", code=0).stdout)) == 3


def test_one_line() -> None:
    assert one_line("a\nb\x1bc") == "a b�c"


def test_files_are_found_once_in_order(photos: Path) -> None:
    found = photo_files([photos / "inner", photos, photos / "a.jpg", photos / "notes.txt"])
    assert [path.name for path in found] == ["c.webp", "a.jpg", "b.PNG", "notes.txt"]


def test_health(triton: Any, dead_address: str) -> None:
    assert "answering  yes" in run("health", "--server", triton.address, code=0).stdout
    found = json.loads(run("health", "--server", triton.address, "--json", code=0).stdout)
    assert found["version"] == "2.51.0"
    triton.ready = False
    run("health", "--server", triton.address, code=3)
    run("health", "--server", dead_address, code=4)
    run("health", "--server", "nowhere", code=2)


def test_the_server_can_come_from_the_environment(
    triton: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKSHOT_SERVER", triton.address)
    run("health", code=0)


def test_the_help_names_every_command() -> None:
    output = run("--help", code=0).output
    assert all(command in output for command in COMMANDS)


# The help of backfill is that of packshot-backfill.
@pytest.mark.parametrize("command", sorted(COMMANDS - {"backfill"}))
def test_every_command_has_help(command: str) -> None:
    output = run(command, "--help", code=0).output
    assert all(words in output for words in ("Usage", "Exit codes", "Examples", "--json"))
    # Square brackets are markup to Rich, which takes "packshot[cli]" for "packshot".
    assert "needs packshot." not in output
    assert "packshot is not installed" not in output


def test_demo_photos_are_originals_and_spoilt_copies(tmp_path: Path) -> None:
    made = make_demo_photos(tmp_path)
    assert len(made) == len(demo_photos.PHOTOGRAPHS)
    for photo in made:
        assert list(photo.spoilt) == ["blurred", "dark", "noisy", "over-compressed"]
        with Image.open(photo.original) as original:
            size = original.size
        for path in photo.spoilt.values():
            with Image.open(path) as spoilt:
                assert spoilt.size == size


def test_demo_says_when_a_copy_does_not_score_below(triton: Any, tmp_path: Path) -> None:
    # The fake gives every real photo the same score.
    result = run("demo", "--server", triton.address, "--out", tmp_path, code=1)
    assert "WRONG: astronaut blurred scores 61.5, not below the original's 61.5." in result.stdout
    assert (tmp_path / "report.html").stat().st_size > 100_000


def test_demo_of_own_photos(triton: Any, photos: Path, tmp_path: Path) -> None:
    run("demo", "--server", triton.address, "--out", tmp_path, "--photos", photos, code=0)
    assert (tmp_path / "report.html").exists()


def test_a_comparison_finds_what_is_wrong() -> None:
    row = Comparison(name="cup", original=50.0, spoilt={"dark": 49.0, "noisy": 50.0, "x": None})
    assert row.failures() == [
        "cup noisy scores 50.0, not below the original's 50.0",
        "cup x was not scored",
    ]
    assert Comparison(name="cup", original=None, spoilt={}).failures() == ["cup was not scored"]


def test_models_and_stats(triton: Any) -> None:
    server = ("--server", triton.address)
    listed = run("models", *server, code=0).stdout.splitlines()
    assert [line.split()[:3] for line in listed] == [
        ["Model", "Version", "State"],
        ["quality", "9", "UNAVAILABLE"],
        ["quality", "10", "READY"],
    ]
    assert json.loads(run("models", *server, "--json", code=0).stdout)[0]["reason"] == "unloaded"
    assert "quality  3        8       4" in run("stats", *server, code=0).stdout
    (found,) = json.loads(run("stats", "quality", *server, "--json", code=0).stdout)
    assert (found["request_ms"], found["queue_ms"], found["compute_ms"]) == (10.0, 2.0, 5.0)
    assert "nosuch" in run("stats", "nosuch", *server, code=3).stderr


def test_server_commands_exit_codes(dead_address: str) -> None:
    for command in ("models", "stats"):
        result = run(command, "--server", dead_address, code=4)
        assert "packshot-serve" in result.stderr
        assert run(command, "--server", "nonsense", code=2).stderr
        assert run(command, "--server", dead_address, "--header", "s3cret", code=2).stderr
        assert "s3cret" not in result.stderr
    assert "cannot be read" in run("models", "--ca", "/nowhere.pem", code=2).stderr


def test_health_of_several_servers(triton: Any, second_triton: Any, dead_address: str) -> None:
    both = f"{triton.address},{second_triton.address}"
    found = json.loads(run("health", "--server", both, "--json", code=0).stdout)
    assert [one["address"] for one in found] == both.split(",")
    run("health", "--server", f"{triton.address},{dead_address}", code=4)


def test_a_header_goes_along(triton: Any, photos: Path) -> None:
    score(triton, photos / "a.jpg", "--header", "x-key=v=1", code=0)
    assert ("x-key", "v=1") in triton.metadata


def test_every_command_is_in_the_documentation() -> None:
    documentation = (Path(__file__).parents[3] / "docs" / "client.md").read_text("utf-8")
    names = get_command(app).commands  # type: ignore[attr-defined]
    assert len(names) >= 11
    assert [name for name in names if f"packshot {name}" not in documentation] == []
