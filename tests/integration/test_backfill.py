"""A back-fill on this machine's Ray: killed half-way, resumed, no row lost or doubled."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="back-fills need Ray Data: pip install 'packshot[backfill]'")
pq = pytest.importorskip("pyarrow.parquet")
pa = pytest.importorskip("pyarrow")

SHARD_ROWS = 8
TABLE = os.environ.get("PACKSHOT_BACKFILL_TABLE", "")


def command(table: Path, out: Path, repository: Path, shard_rows: int) -> list[str]:
    program = shutil.which("packshot-backfill", path=str(Path(sys.executable).parent))
    assert program is not None
    options = [f"--out={out}", f"--model-repository={repository}", f"--shard-rows={shard_rows}"]
    return [program, str(table), *options]


def parts(out: Path) -> dict[Path, int]:
    """The finished shards, each with when it was written."""
    return {part: part.stat().st_mtime_ns for part in sorted(out.glob("part-*"))}


def rows(out: Path) -> list[dict[str, Any]]:
    return [row for part in parts(out) for row in pq.read_table(part).to_pylist()]


def kill_half_way(table: Path, out: Path, repository: Path, shard_rows: int) -> dict[Path, int]:
    """Start a back-fill, kill it with half of its shards written; says which those are."""
    shards = math.ceil(pq.read_metadata(table).num_rows / shard_rows)
    child = subprocess.Popen(
        command(table, out, repository, shard_rows),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while len(parts(out)) < shards // 2:
        assert child.poll() is None, "it ended too early"
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    written = parts(out)
    assert len(written) < shards, "there is nothing left to resume"
    return written


def run(table: Path, out: Path, repository: Path, shard_rows: int) -> str:
    """Start or resume a back-fill and let it end; what it said."""
    done = subprocess.run(
        command(table, out, repository, shard_rows), check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


@pytest.fixture
def table(tmp_path: Path, photo_files: dict[str, bytes]) -> Path:
    """96 paths: photos, a text file and one that is not there."""
    paths = []
    for number in range(94):
        name, data = list(photo_files.items())[number % len(photo_files)]
        photo = tmp_path / f"{number}-{name}.jpg"
        photo.write_bytes(data)
        paths.append(str(photo))
    (tmp_path / "text.jpg").write_text("not a photo")
    paths += [str(tmp_path / "text.jpg"), str(tmp_path / "nowhere.jpg")]
    file = tmp_path / "catalogue.parquet"
    pq.write_table(pa.table({"path": paths}), file)
    return file


@pytest.mark.timeout(900)
def test_killed_and_resumed(table: Path, tmp_path: Path, repository: Path) -> None:
    from packshot.backfill.scorer import PhotoScorer

    out = tmp_path / "out"
    written = kill_half_way(table, out, repository, SHARD_ROWS)
    assert "Resuming: " in run(table, out, repository, SHARD_ROWS)
    assert parts(out).items() >= written.items(), "a finished shard was done again"
    paths = pq.read_table(table).column("path").to_pylist()
    scorer = PhotoScorer(repository / "quality_net" / "1", policy="default", threads=1)
    assert (
        rows(out)
        == pa.Table.from_pylist(
            scorer.rows(paths), schema=pq.read_schema(next(iter(written)))
        ).to_pylist()
    )
    scorer.close()
    failed = {Path(row["path"]).name: row["error"] for row in rows(out) if row["error"]}
    assert set(failed) == {"text.jpg", "nowhere.jpg"}
    assert "UnsupportedFormatError" in failed["text.jpg"]
    assert all(row["score"] > 0 for row in rows(out) if not row["error"])
    assert "12 of 12 shards are done" in run(table, out, repository, SHARD_ROWS)


@pytest.mark.skipif(
    not TABLE, reason="a large one: set PACKSHOT_BACKFILL_TABLE to a Parquet table of photos"
)
@pytest.mark.timeout(7200)
def test_a_large_one_killed_and_resumed_equals_an_uninterrupted(
    tmp_path: Path, repository: Path
) -> None:
    """Minutes for thousands of photos: run by hand, its outcome is in docs/operations.md."""
    table, shard_rows = Path(TABLE), 64
    written = kill_half_way(table, tmp_path / "killed", repository, shard_rows)
    assert "Resuming: " in run(table, tmp_path / "killed", repository, shard_rows)
    assert parts(tmp_path / "killed").items() >= written.items()
    run(table, tmp_path / "whole", repository, shard_rows)
    paths = [row["path"] for row in rows(tmp_path / "killed")]
    assert paths == pq.read_table(table).column("path").to_pylist()
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    assert not any(row["error"] for row in rows(tmp_path / "whole"))


def test_a_row_is_what_the_server_answers(
    table: Path, repository: Path, photo_files: dict[str, bytes], caller: Any
) -> None:
    from packshot.backfill.scorer import PhotoScorer

    scorer = PhotoScorer(repository / "quality_net" / "1", policy="default", threads=1)
    row = scorer.rows([str(table.parent / "0-astronaut.jpg")])[0]
    scorer.close()
    answer = caller.score(photo_files["astronaut"])
    assert row["score"] == pytest.approx(float(answer["SCORE"][0, 0]), abs=1e-3)


def test_a_file_too_large_is_not_read(tmp_path: Path, repository: Path) -> None:
    from packshot.backfill.scorer import PhotoScorer

    huge = tmp_path / "huge.jpg"
    with huge.open("wb") as stream:
        stream.truncate(1 << 40)  # A sparse file: reading it would need a terabyte of memory.
    scorer = PhotoScorer(repository / "quality_net" / "1", policy="default", threads=1)
    (row,) = scorer.rows([str(huge)])
    scorer.close()
    assert row["error"].startswith("ImageTooLargeError: The file is ")
