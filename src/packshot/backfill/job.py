"""The shards that are left, spread by Ray Data over a cluster, or over the cores of one machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from packshot.backfill.catalogue import Plan, ResultFolder, make_plan, read_paths
from packshot.backfill.scorer import PhotoScorer
from packshot.contracts import ATTRIBUTES, DEFAULT_POLICY
from packshot.errors import BackfillError

try:
    import pyarrow as pa
    import ray
    import ray.data
except ImportError as error:
    raise ImportError(
        "packshot-backfill needs Ray Data: pip install 'packshot[backfill]'"
    ) from error

_STARTS = 3
_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("score", pa.float32()),
        ("uncertainty", pa.float32()),
        *((name, pa.float32()) for name in ATTRIBUTES),
        ("verdict", pa.string()),
        ("error", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class BackfillConfig:
    """One back-fill.

    Attributes:
        table: Parquet file or folder with the image paths.
        out: Folder of the results; resumed if it holds the same back-fill.
        network: Version folder of the exported network.
        column: Column with the paths.
        policy: Marketplace policy of the verdicts.
        shard_rows: Photos of a shard: what is done again after a crash, and what one task does.
        workers: Processes that score; 0 is one per ``worker_cpus`` cores of the cluster.
        worker_cpus: Cores, and network threads, of each.
        address: A Ray cluster; ``None`` is this machine.
    """

    table: Path
    out: Path
    network: Path
    column: str = "path"
    policy: str = DEFAULT_POLICY
    shard_rows: int = 256
    workers: int = 0
    worker_cpus: int = 1
    address: str | None = None

    def __post_init__(self) -> None:
        for name in ("shard_rows", "worker_cpus"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.workers < 0:
            raise ValueError(f"workers must be 0 or more, got {self.workers}")


@dataclass(frozen=True, kw_only=True)
class ShardDone:
    """A shard that has just been finished."""

    shard: int
    rows: int
    errors: int


class Backfill:
    """A back-fill, new or resumed.

    Raises:
        BackfillError: The input cannot be read, or ``out`` holds something else.
    """

    def __init__(self, config: BackfillConfig) -> None:
        self._config = config
        self._paths = read_paths(config.table, config.column)
        self.plan: Plan = make_plan(
            self._paths,
            shard_rows=config.shard_rows,
            network=config.network,
            policy=config.policy,
        )
        self._results = ResultFolder(config.out, self.plan)
        self._results.claim()
        self.missing = self._results.missing()

    def run(self) -> Iterator[ShardDone]:
        """Do what is left; yields each shard once its result is on disk, in no order."""
        if not self.missing:
            return
        config = self._config
        _start_ray(config.address)
        _quieten_ray_data()
        tasks = [{"shard": shard, "paths": self._shard_paths(shard)} for shard in self.missing]
        workers = config.workers or max(
            1, int(ray.cluster_resources().get("CPU", 1)) // config.worker_cpus
        )
        done = ray.data.from_items(tasks, override_num_blocks=len(tasks)).map_batches(
            _ShardScorer,
            fn_constructor_args=(config, self.plan),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(tasks))),
            num_cpus=config.worker_cpus,
        )
        for row in done.iter_rows():
            yield ShardDone(shard=row["shard"], rows=row["rows"], errors=row["errors"])
        left = self._results.missing()
        if left:
            raise BackfillError(f"{len(left)} shards are missing still; run the command again")

    def _shard_paths(self, shard: int) -> list[str]:
        size = self.plan.shard_rows
        return self._paths[shard * size : (shard + 1) * size]


class _ShardScorer:
    """The actor: scores a shard, writes its result, tells how many rows it had."""

    def __init__(self, config: BackfillConfig, plan: Plan) -> None:
        self._scorer = PhotoScorer(config.network, policy=config.policy, threads=config.worker_cpus)
        self._results = ResultFolder(config.out, plan)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        (shard,) = batch["shard"]
        (paths,) = batch["paths"]
        rows = self._scorer.rows([str(path) for path in paths])
        self._results.write(int(shard), pa.Table.from_pylist(rows, schema=_SCHEMA))
        errors = sum(row["error"] is not None for row in rows)
        return {
            "shard": np.array([shard]),
            "rows": np.array([len(rows)]),
            "errors": np.array([errors]),
        }


def _quieten_ray_data() -> None:
    """Leave the terminal to the command's own progress bar; Ray's log files keep everything."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.ERROR)


def _start_ray(address: str | None) -> None:
    """Connect to a cluster, or start one here.

    Raises:
        BackfillError: Ray does not start.
    """
    reason: Exception | None = None
    for _ in range(_STARTS):
        if ray.is_initialized():
            return
        try:
            ray.init(
                address=address,
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level="error",
            )
        except Exception as error:  # noqa: BLE001 - Ray raises no narrower one
            # Ray gives its own processes half a minute, which a busy machine can exceed.
            reason = error
            ray.shutdown()
    if not ray.is_initialized():
        raise BackfillError(f"Ray did not start in {_STARTS} attempts: {reason}")
