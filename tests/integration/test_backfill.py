"""A back-fill on this machine's Ray: killed half-way, resumed, no row lost or doubled."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="back-fills need Ray Data: pip install 'packshot[backfill]'")
pq = pytest.importorskip("pyarrow.parquet")
pa = pytest.importorskip("pyarrow")

pytestmark = pytest.mark.timeout(900)

SHARD_ROWS = 8


def command(table: Path, out: Path, repository: Path) -> list[str]:
    program = shutil.which("packshot-backfill", path=str(Path(sys.executable).parent))
    assert program is not None
    options = [f"--out={out}", f"--model-repository={repository}", f"--shard-rows={SHARD_ROWS}"]
    return [program, str(table), *options]


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


def test_killed_and_resumed(table: Path, tmp_path: Path, repository: Path) -> None:
    out = tmp_path / "out"
    child = subprocess.Popen(command(table, out, repository), start_new_session=True)
    deadline = time.monotonic() + 400
    while len(list(out.glob("part-*"))) < 3:
        assert time.monotonic() < deadline
        assert child.poll() is None, "it ended too early"
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    finished = {part: part.stat().st_mtime_ns for part in out.glob("part-*")}
    assert len(finished) < 12, "there is nothing left to resume"
    done = subprocess.run(
        command(table, out, repository), check=True, capture_output=True, text=True
    )
    assert "Resuming" in done.stdout
    assert all(part.stat().st_mtime_ns == when for part, when in finished.items())
    rows = pq.read_table(table).column("path").to_pylist()
    scored = [row for part in sorted(out.glob("part-*")) for row in pq.read_table(part).to_pylist()]
    assert [row["path"] for row in scored] == rows
    assert Counter(row["path"] for row in scored).most_common(1)[0][1] == 1
    failed = {Path(row["path"]).name: row["error"] for row in scored if row["error"]}
    assert set(failed) == {"text.jpg", "nowhere.jpg"}
    assert "UnsupportedFormatError" in failed["text.jpg"]
    assert all(row["score"] > 0 for row in scored if not row["error"])
    again = subprocess.run(
        command(table, out, repository), check=True, capture_output=True, text=True
    )
    assert "12 of 12 shards are done" in again.stdout


def test_a_row_is_what_the_server_answers(
    table: Path, repository: Path, photo_files: dict[str, bytes], caller: object
) -> None:
    from packshot.backfill.scorer import PhotoScorer

    scorer = PhotoScorer(repository / "quality_net" / "1", policy="default", threads=1)
    row = scorer.rows([str(table.parent / "0-astronaut.jpg")])[0]
    scorer.close()
    answer = caller.score(photo_files["astronaut"])  # type: ignore[attr-defined]
    assert row["score"] == pytest.approx(float(answer["SCORE"][0, 0]), abs=1e-3)
