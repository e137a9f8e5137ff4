"""The commands that make pictures, against the fake server: files, records, exit codes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from PIL import Image
from typer.testing import CliRunner

from packshot_client.commands import app


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"first")
    (folder / "b.JPEG").write_bytes(b"second")
    (folder / "inner" / "a.png").write_bytes(b"third")
    return folder


def run(*arguments: object, code: int | None = None) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if code is not None:
        assert result.exit_code == code, result.output + repr(result.exception)
    return result


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_pictures_have_the_photos_names(triton: Any, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = files(photos)
    result = run("enhance", photos, "--out", out, "--server", triton.address, code=0)
    assert files(out) == {
        "a.jpg": b"made of first",
        "b.JPEG": b"made of second",
        "inner/a.jpg": b"made of third",
    }
    assert files(photos) == before
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["Photo", "Picture", "Pixels", "Size"]
    assert str(out / "inner" / "a.jpg") in lines[3]


def test_another_format_gives_another_ending(triton: Any, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["upscale", photos, "--out", out, "--server", triton.address]
    run(*command, "--format", "webp", "--scale", 4, "--quality", 80, code=0)
    assert list(files(out)) == ["a.webp", "b.webp", "inner/a.webp"]
    sent = {tensor.name: tensor.datatype for tensor in triton.requests[-1].inputs}
    assert sent == {
        **{"IMAGE": "BYTES", "SCALE": "INT32", "FORMAT": "BYTES"},
        "OUTPUT_QUALITY": "INT32",
    }


def test_photos_of_one_name_get_numbers(triton: Any, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    paths = [photos / "a.jpg", photos / "inner" / "a.png"]
    for _ in range(2):
        run("enhance", *paths, "--out", out, "--server", triton.address, code=0)
    assert files(out) == {"a.jpg": b"made of first", "a-2.jpg": b"made of third"}


def test_several_folders_keep_their_names(
    triton: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.jpg").write_bytes(b"fourth")
    for given in (other, other / "..", "../other"):
        monkeypatch.chdir(photos)
        out = tmp_path.parent / f"{tmp_path.name}-out"
        run("enhance", photos, given, "--out", out, "--server", triton.address, code=0)
        found = set(files(out))
        shutil.rmtree(out)
        assert found >= {"photos/a.jpg", "photos/b.JPEG", "photos/inner/a.jpg"}
        rest = found - {"photos/a.jpg", "photos/b.JPEG", "photos/inner/a.jpg"}
        assert rest in ({"other/a.jpg"}, {f"{tmp_path.name}/other/a.jpg"})


@pytest.mark.parametrize("out", [".", "inner/..", "a.jpg"])
def test_photos_are_never_overwritten(triton: Any, photos: Path, out: str) -> None:
    before = files(photos)
    for given in (photos, photos / "a.jpg"):
        result = run("optimize", given, "--out", photos / out, "--server", triton.address, code=2)
        assert "--out" in result.stderr
    assert files(photos) == before
    assert triton.requests == []


def test_a_link_to_a_photo_is_replaced_not_followed(
    triton: Any, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "b.JPEG").symlink_to(photos / "b.JPEG")
    run("enhance", photos / "b.JPEG", "--out", out, "--server", triton.address, code=0)
    assert (photos / "b.JPEG").read_bytes() == b"second"


def test_a_photo_behind_a_link_is_not_overwritten(
    triton: Any, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "link.jpg").write_bytes(b"the photo itself")
    (photos / "link.jpg").symlink_to(out / "link.jpg")
    run("enhance", photos / "link.jpg", "--out", out, "--server", triton.address, code=0)
    assert (out / "link.jpg").read_bytes() == b"the photo itself"
    assert (out / "link-2.jpg").read_bytes() == b"made of the photo itself"


def test_a_folder_of_results_inside_is_not_worked_on_again(triton: Any, photos: Path) -> None:
    for _ in range(2):
        run("enhance", photos, "--out", photos / "fixed", "--server", triton.address, code=0)
    assert len(triton.requests) == 2 * 3 + 2  # and the test images of the two health checks
    assert list(files(photos / "fixed")) == ["a.jpg", "b.JPEG", "inner/a.jpg"]


def test_one_bad_photo_does_not_stop_the_others(triton: Any, photos: Path, tmp_path: Path) -> None:
    (photos / "a.jpg").write_bytes(b"bad")
    out = tmp_path / "out"
    command = ["enhance", photos, "--out", out, "--server", triton.address, "--json"]
    records = json.loads(run(*command, code=3).stdout)
    assert [record["out"] is None for record in records] == [True, False, False]
    assert records[0]["error"]["type"] == "InvalidInputError"
    assert records[1]["size_bytes"] == len(b"made of second")
    assert set(files(out)) == {"b.JPEG", "inner/a.jpg"}


def test_a_folder_that_cannot_be_written_is_said(triton: Any, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jpg").mkdir()
    command = ["enhance", photos / "a.jpg", "--out", tmp_path / "out", "--server", triton.address]
    assert "cannot be written" in run(*command, code=3).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["enhance", "{photos}"],
        ["enhance", "/nowhere.jpg", "--out", "{out}"],
        ["enhance", "{photos}", "--out", "{out}", "--format", "gif"],
        ["enhance", "{photos}", "--out", "{out}", "--quality", "101"],
        ["upscale", "{photos}", "--out", "{out}", "--scale", "3"],
        ["optimize", "{photos}", "--out", "{out}", "--policy", " "],
        ["optimize", "{photos}", "--out", "{out}", "--html", "/nowhere/report.html"],
        ["generate", "--category", "watches"],
        ["generate", "--category", "watches", "--sheet", "{out}.gif"],
        ["generate", "--category", "watches", "--out", "{out}", "--count", "0"],
        ["generate", "--category", "watches", "--out", "{out}", "--count", "10000"],
        ["generate", "--category", "watches", "--out", "{out}", "--seed", "first"],
        ["generate", "--category", "watches", "--out", "{out}", "--truncation", "2"],
    ],
)
def test_wrong_usage_exits_2(
    triton: Any, photos: Path, tmp_path: Path, arguments: list[str]
) -> None:
    given = [argument.format(photos=photos, out=tmp_path / "out") for argument in arguments]
    assert run(*given, "--server", triton.address, code=2).stderr


@pytest.mark.parametrize("command", ["enhance", "upscale", "optimize"])
def test_an_unreachable_server_exits_4(
    photos: Path, tmp_path: Path, dead_address: str, command: str
) -> None:
    result = run(command, photos, "--out", tmp_path / "out", "--server", dead_address, code=4)
    assert "packshot-serve" in result.stderr


def test_optimize_tells_both_verdicts(triton: Any, photos: Path, tmp_path: Path) -> None:
    html = tmp_path / "report.html"
    command = ["optimize", photos, "--out", tmp_path / "out", "--server", triton.address]
    result = run(*command, "--html", html, code=0)
    row = result.stdout.splitlines()[1]
    for words in ("61.5", "70.0", "review → accept", "restoration", "cut off"):
        assert words in row
    assert result.stdout.splitlines()[-1] == "Photos 3, improved 3 (+8.5), failed 0"
    assert "Wrote" in result.stderr
    assert "Step back." in html.read_text("utf-8")


def test_optimize_in_json(triton: Any, photos: Path, tmp_path: Path) -> None:
    command = ["optimize", photos / "a.jpg", "--out", tmp_path / "out", "--json"]
    (record,) = json.loads(run(*command, "--server", triton.address, code=0).stdout)
    assert record["gain"] == pytest.approx(8.5)
    assert (record["before"]["score"], record["after"]["score"]) == (61.5, 70.0)
    assert [step["fix"] for step in record["steps"]] == ["tone", "restore"]
    assert record["beyond_repair"][0]["text"]["zh"] == "请后退。"
    assert "data" not in record


def test_optimize_in_chinese(triton: Any, photos: Path, tmp_path: Path) -> None:
    command = ["optimize", photos / "a.jpg", "--out", tmp_path / "out", "--lang", "zh"]
    assert "复核 → 通过" in run(*command, "--server", triton.address, code=0).stdout


@pytest.fixture
def generating(triton: Any, pictures: Any) -> Any:
    """A server that makes what it is asked for, but for two of ``wallets``."""

    def answers(request: Any, context: Any) -> Iterator[Any]:  # noqa: ARG001
        (count,) = (
            int.from_bytes(data, "little")
            for tensor, data in zip(request.inputs, request.raw_input_contents, strict=True)
            if tensor.name == "COUNT"
        )
        made = count - 2 if b"wallets" in request.raw_input_contents[0] else count
        for place in range(made):
            yield pictures(request, range(place, place + 1), final=False), False
        yield pictures(request, range(made, made), final=True), True

    triton.stream = answers
    return triton


def generate(triton: Any, *arguments: object, code: int) -> Any:
    return run("generate", *arguments, "--server", triton.address, code=code)


def test_generate_writes_pictures_and_a_sheet(generating: Any, tmp_path: Path) -> None:
    sheet, out = tmp_path / "sheet.png", tmp_path / "out"
    options = ["--category", "watches", "--count", 5, "--seed", 3, "--sheet", sheet, "--out", out]
    result = generate(generating, *options, code=0)
    assert list(files(out)) == [f"watches-{seed}.png" for seed in range(3, 8)]
    with Image.open(sheet) as opened:
        # Three columns and two rows of one pixel each, with gaps of four around them.
        assert opened.size == (3 * 5 + 4, 2 * 5 + 4)
        pixel, nothing = opened.getpixel((4, 4)), opened.getpixel((2 * 5 + 4, 5 + 4))
        assert (pixel, nothing) == ((16, 32, 48), (255, 255, 255))
        assert "trainedAlgorithmicMedia" in opened.info["XML:com.adobe.xmp"]
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["Seed", *"34567"]


def test_generate_says_when_too_few_were_good(generating: Any, tmp_path: Path) -> None:
    options = ["--category", "wallets", "--count", 5, "--out", tmp_path, "--min-score", 90]
    result = generate(generating, *options, "--json", code=1)
    document = json.loads(result.stdout)
    assert (document["summary"]["complete"], document["error"]) == (False, None)
    assert len(document["pictures"]) == 3
    assert "Too few were good." in generate(generating, *options, code=1).stderr


def test_generate_with_nothing_good_makes_no_sheet(generating: Any, tmp_path: Path) -> None:
    options = ["--category", "wallets", "--count", 2, "--sheet", tmp_path / "s.png"]
    generate(generating, *options, code=1)
    assert list(tmp_path.iterdir()) == []


def test_generate_keeps_what_came_before_an_error(
    triton: Any, pictures: Any, tmp_path: Path
) -> None:
    def answers(request: Any, context: Any) -> Iterator[Any]:
        yield pictures(request, range(1), final=False), False
        context.abort(grpc.StatusCode.INTERNAL, "out of luck")

    triton.stream = answers
    options = ["--category", "watches", "--count", 2, "--out", tmp_path, "--json"]
    document = json.loads(generate(triton, *options, code=3).stdout)
    assert len(document["pictures"]) == 1
    assert document["error"]["type"] == "ServerFaultError"
    assert len(files(tmp_path)) == 1


def test_verify_watermark_reads_files(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    plain = tmp_path / "plain.png"
    Image.effect_noise((96, 96), 60).convert("RGB").save(plain)
    assert "nothing says" in run("verify-watermark", plain, code=1).stdout
    (record,) = json.loads(run("verify-watermark", plain, "--json", code=1).stdout)
    assert record["generated"] is False
    (tmp_path / "broken.png").write_bytes(b"no picture")
    run("verify-watermark", tmp_path / "broken.png", code=3)
    run("verify-watermark", tmp_path / "missing.png", code=2)


@pytest.mark.parametrize(
    ("command", "extra"), [("verify-watermark", "imaging"), ("backfill", "backfill")]
)
def test_what_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, command: str, extra: str
) -> None:
    name = {"imaging": "packshot.generation.provenance", "backfill": "packshot.backfill.cli"}
    monkeypatch.setitem(sys.modules, name[extra], None)
    result = run(command, "x", code=2)
    assert f"pip install 'packshot[{extra}]'" in result.stderr


def test_backfill_is_packshot_backfill(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    assert "--shard-rows" in run("backfill", "--help", code=0).stdout
    missing = tmp_path / "model_repository"
    arguments = ["backfill", "x.parquet", "--out", tmp_path, "--model-repository", missing]
    assert "has no built network" in run(*arguments, code=1).stderr
