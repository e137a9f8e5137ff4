"""What a network costs: parameters, multiply-accumulates, time a photo at one thread."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from packshot.contracts import VIEW_SIZE
from packshot.models.quality import QualityNet

WARM_UP, ROUNDS = 3, 15


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of one photo; for the quality network, both views together.

    Attributes:
        parameters: Of the whole network.
        macs: Multiply-accumulates of its convolutions and matrix products.
        milliseconds: Median time of a forward pass of PyTorch, eager, at one CPU thread.
        torch_version: The PyTorch it was measured with.
    """

    parameters: int
    macs: int
    milliseconds: float
    torch_version: str


def measure_cost(network: QualityNet) -> Cost:
    """Count and time one photo; the number of threads is put back afterwards."""
    views = torch.zeros(2, 1, VIEW_SIZE, VIEW_SIZE, 3, dtype=torch.uint8)
    return cost_of(network, views[0], views[1])


def cost_of(network: torch.nn.Module, *inputs: torch.Tensor) -> Cost:
    """Count and time one forward pass; the number of threads is put back afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            times = [_seconds(network, inputs) for _ in range(WARM_UP + ROUNDS)]
    finally:
        torch.set_num_threads(threads)
    return Cost(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        macs=count_macs(network, *inputs),
        milliseconds=statistics.median(times[WARM_UP:]) * 1000.0,
        torch_version=torch.__version__,
    )


def count_macs(network: torch.nn.Module, *inputs: torch.Tensor) -> int:
    """Multiply-accumulates of one forward pass; PyTorch counts two operations for each."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(*inputs)
    return int(counter.get_total_flops()) // 2


def _seconds(network: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> float:
    started = time.perf_counter()
    network(*inputs)
    return time.perf_counter() - started
