"""What a served model is told about itself."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from packshot.serving.stage_context import StageContext


def told(*counts: int, threads: str = "0") -> StageContext:
    config = {
        "instance_group": [{"kind": "KIND_CPU", "count": count} for count in counts],
        "parameters": {"threads": {"string_value": threads}},
    }
    return StageContext.from_arguments(
        {"model_config": json.dumps(config), "model_repository": "/m", "model_version": "3"}
    )


def test_knows_its_version_folder_and_how_many_processes_it_has() -> None:
    assert told(2, 1).version_directory == Path("/m/3")
    assert told(2, 1).instances == 3
    assert told().instances == 1


@pytest.mark.parametrize(
    ("cores", "instances", "threads"), [(2, 1, 2), (2, 2, 1), (2, 3, 1), (16, 2, 8), (16, 1, 16)]
)
def test_the_processes_of_a_model_share_the_cores(
    cores: int, instances: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert told(instances).threads() == threads


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 2), (4, 2), (16, 8)])
def test_a_process_may_ask_for_more_than_its_share(
    cores: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert told(2).threads(at_least=2) == threads
    assert told(2, threads="1").threads(at_least=2) == 1


def test_threads_that_are_configured_are_taken() -> None:
    assert told(2, threads="5").threads() == 5
