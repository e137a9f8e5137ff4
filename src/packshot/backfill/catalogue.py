"""The input table cut into shards, and the folder of finished ones.

A shard's result is written beside its place and renamed into it: it is there whole or not at all,
so a back-fill that was killed goes on where it stopped, with no row lost and none twice.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise ImportError(
        "packshot-backfill needs Ray Data: pip install 'packshot[backfill]'"
    ) from error

from packshot.errors import BackfillError

PLAN_FILE: Final = "_plan.json"
_TEMPORARY: Final = ".writing-"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a back-fill does; the same again when it is resumed.

    Attributes:
        rows: Rows of the input table.
        shard_rows: Rows of each shard but the last.
        paths_sha256: Hash of all paths in order.
        network_sha256: Hash of the network's manifest.
        policy: Marketplace policy of the verdicts.
    """

    rows: int
    shard_rows: int
    paths_sha256: str
    network_sha256: str
    policy: str

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return math.ceil(self.rows / self.shard_rows)


def read_paths(table: Path, column: str) -> list[str]:
    """The image paths of a Parquet file, or of all in a folder, in order.

    Raises:
        BackfillError: There is no such table or column, or a path is missing.
    """
    try:
        found: list[str] = pq.read_table(table, columns=[column]).column(column).to_pylist()
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise BackfillError(
            f"{table} cannot be read as Parquet with a column {column!r}: {error}"
        ) from None
    empty = [row for row, path in enumerate(found) if not isinstance(path, str) or not path]
    if empty:
        raise BackfillError(f"{table} has no path in row {empty[0]} (and {len(empty) - 1} others)")
    if not found:
        raise BackfillError(f"{table} has no rows")
    return found


def make_plan(paths: list[str], *, shard_rows: int, network: Path, policy: str) -> Plan:
    """The plan for these paths.

    Args:
        paths: All image paths.
        shard_rows: Rows of a shard.
        network: Version folder of the network, with its manifest.
        policy: Marketplace policy.

    Raises:
        BackfillError: The network is not built.
    """
    manifest = network / "manifest.json"
    if not manifest.exists():
        raise BackfillError(f"{manifest} is missing. Build the network with: make export")
    joined = "\n".join(paths).encode()
    return Plan(
        rows=len(paths),
        shard_rows=shard_rows,
        paths_sha256=hashlib.sha256(joined).hexdigest(),
        network_sha256=hashlib.sha256(manifest.read_bytes()).hexdigest(),
        policy=policy,
    )


class ResultFolder:
    """The folder with one Parquet file for each finished shard.

    Args:
        folder: Where; on a cluster every node must see it.
        plan: What is being done.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        self._plan = plan

    def claim(self) -> None:
        """Make the folder, or take up the back-fill of the same plan that is in it.

        Raises:
            BackfillError: It holds something else.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / PLAN_FILE
        if file.exists():
            found: dict[str, Any] = json.loads(file.read_text())
            wanted = asdict(self._plan)
            different = sorted(k for k in wanted if found.get(k) != wanted[k])
            if different:
                raise BackfillError(
                    f"{self.folder} holds a back-fill that differs in {', '.join(different)}. "
                    "Finish it with the same input, network and options, or choose another --out."
                )
        elif any(self.folder.iterdir()):
            raise BackfillError(f"{self.folder} is not empty and not a back-fill. Choose another.")
        else:
            self._write_whole(file, json.dumps(asdict(self._plan), indent=2).encode())
        for left in self.folder.glob(f"{_TEMPORARY}*"):
            left.unlink(missing_ok=True)

    def shard_file(self, shard: int) -> Path:
        """Where a shard's result belongs."""
        return self.folder / f"part-{shard:06d}.parquet"

    def missing(self) -> list[int]:
        """Shards that are not finished."""
        return [s for s in range(self._plan.shards) if not self.shard_file(s).exists()]

    def write(self, shard: int, rows: pa.Table) -> None:
        """Put a shard's result in its place in one step."""
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink)
        self._write_whole(self.shard_file(shard), sink.getvalue().to_pybytes())

    def _write_whole(self, path: Path, content: bytes) -> None:
        descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=self.folder)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
