"""Where the server spent a photo's time, from Triton's own statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc


@dataclass(frozen=True, kw_only=True)
class ModelTime:
    """Totals of one model since the server started, in nanoseconds.

    Attributes:
        executions: Batches run.
        inferences: Items in them.
        queue: Waiting for an instance.
        compute_input: Handing tensors to the backend.
        compute_infer: Inside the backend.
        compute_output: Taking tensors from the backend.
        failures: Requests that failed.
        batch_sizes: Batches run, by their size.
    """

    executions: int
    inferences: int
    queue: int
    compute_input: int
    compute_infer: int
    compute_output: int
    failures: int = 0
    batch_sizes: Mapping[int, int] = field(default_factory=dict)


def read_model_times(address: str) -> dict[str, ModelTime]:
    """Statistics of every model, summed over its versions."""
    with grpc.insecure_channel(address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answer = stub.ModelStatistics(service_pb2.ModelStatisticsRequest(), timeout=10)
    return {
        stats.name: ModelTime(
            executions=stats.execution_count,
            inferences=stats.inference_count,
            queue=stats.inference_stats.queue.ns,
            compute_input=stats.inference_stats.compute_input.ns,
            compute_infer=stats.inference_stats.compute_infer.ns,
            compute_output=stats.inference_stats.compute_output.ns,
            failures=stats.inference_stats.fail.count,
            batch_sizes={b.batch_size: b.compute_infer.count for b in stats.batch_stats},
        )
        for stats in answer.model_stats
    }


def stage_times_ms(
    before: Mapping[str, ModelTime], after: Mapping[str, ModelTime], models: tuple[str, ...]
) -> dict[str, float]:
    """Mean milliseconds a photo spent in each part of each model between two readings.

    Keys are ``<model>.queue``, ``<model>.compute`` and ``<model>.tensors`` (copying in and out),
    and ``<model>.batch``, the mean batch size.
    """
    times: dict[str, float] = {}
    for model in models:
        old, new = before[model], after[model]
        photos = max(1, new.inferences - old.inferences)
        batches = max(1, new.executions - old.executions)
        copies = new.compute_input + new.compute_output - old.compute_input - old.compute_output
        times[f"{model}.queue"] = (new.queue - old.queue) / photos / 1e6
        times[f"{model}.compute"] = (new.compute_infer - old.compute_infer) / photos / 1e6
        times[f"{model}.tensors"] = copies / photos / 1e6
        times[f"{model}.batch"] = photos / batches
    return times
