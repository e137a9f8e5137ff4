"""Plans and result folders: what keeps a resumed back-fill from losing or doubling rows."""

from __future__ import annotations

from pathlib import Path

import pytest

pa = pytest.importorskip("pyarrow", reason="pip install 'packshot[backfill]'")
pq = pytest.importorskip("pyarrow.parquet")

from packshot.backfill.catalogue import ResultFolder, make_plan, read_paths  # noqa: E402
from packshot.errors import BackfillError  # noqa: E402


@pytest.fixture
def network(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "manifest.json").write_text("{}")
    return tmp_path / "net"


def test_shards_cover_all_rows(tmp_path: Path, network: Path) -> None:
    plan = make_plan(["a"] * 10, shard_rows=4, network=network, policy="default")
    assert plan.shards == 3
    results = ResultFolder(tmp_path / "out", plan)
    results.claim()
    assert results.missing() == [0, 1, 2]
    results.write(1, pa.table({"path": ["x"]}))
    assert results.missing() == [0, 2]
    assert pq.read_table(results.shard_file(1)).column("path").to_pylist() == ["x"]


def test_resuming_something_else_is_refused(tmp_path: Path, network: Path) -> None:
    first = make_plan(["a", "b"], shard_rows=1, network=network, policy="default")
    ResultFolder(tmp_path / "out", first).claim()
    ResultFolder(tmp_path / "out", first).claim()
    for other, word in (
        (make_plan(["a", "c"], shard_rows=1, network=network, policy="default"), "paths_sha256"),
        (make_plan(["a", "b"], shard_rows=2, network=network, policy="default"), "shard_rows"),
        (make_plan(["a", "b"], shard_rows=1, network=network, policy="google"), "policy"),
    ):
        with pytest.raises(BackfillError, match=word):
            ResultFolder(tmp_path / "out", other).claim()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path, network: Path) -> None:
    plan = make_plan(["a"], shard_rows=1, network=network, policy="default")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").touch()
    with pytest.raises(BackfillError, match="not empty"):
        ResultFolder(tmp_path / "out", plan).claim()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"url": ["a"]}, "column 'path'"),
        ({"path": ["a", None]}, "row 1"),
        ({"path": []}, "no rows"),
    ],
)
def test_tables_that_cannot_be_used(
    tmp_path: Path, columns: dict[str, list[str | None]], words: str
) -> None:
    file = tmp_path / "table.parquet"
    pq.write_table(pa.table(columns), file)
    with pytest.raises(BackfillError, match=words):
        read_paths(file, "path")


def test_network_that_is_not_built(tmp_path: Path) -> None:
    with pytest.raises(BackfillError, match="make export"):
        make_plan(["a"], shard_rows=1, network=tmp_path, policy="default")
