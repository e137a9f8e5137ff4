"""The mix with the models that return pictures, on the shipped networks."""

from __future__ import annotations

import pytest

from packshot.serving.process import TritonProcess
from packshot_loadtest.arrivals import Pattern
from packshot_loadtest.execution import execute
from packshot_loadtest.generator.calls import Target
from packshot_loadtest.mix import parse_mix
from packshot_loadtest.settings import PhotoSource, RunSettings


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_pictures_under_load_are_those_made_alone(
    enhancing_triton: TritonProcess, protocol: str
) -> None:
    config = enhancing_triton.config
    kinds = ("enhance", "upscale", "optimize", "generate")
    settings = RunSettings(
        target=Target(
            grpc=enhancing_triton.grpc_address,
            http=f"{config.local_host}:{config.http_port}",
            timeout_s=60,
        ),
        mix=",".join(f"{kind}@{protocol}" for kind in kinds),
        photos=PhotoSource(sizes="96=1", most=3),
        pattern=Pattern(shape="constant", rate=4),
        duration_s=4,
        warmup_s=1,
        max_lag_ms=5000.0,
    )
    result = execute(settings)
    assert result.valid, result.generator["reasons"]
    assert result.summary["all"]["outcomes"]["ok"] == result.summary["all"]["planned"] == 16
    assert result.wrong_answers == 0
    assert {kind.label for kind in parse_mix(settings.mix).kinds} < result.summary.keys()
