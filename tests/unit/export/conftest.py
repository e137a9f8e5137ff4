"""A small network that exports in a second."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from packshot.contracts import ModelSpec, TensorSpec
from packshot_export.networks import ExportableNetwork
from packshot_export.precision import Precision, Tolerance
from packshot_export.task_metric import RankAgreement


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.ReLU6(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU6()
        )
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        x_nchw = pixels.float().permute(0, 3, 1, 2) / 64.0
        score: Tensor = self.head(self.body(x_nchw)).mean(dim=(2, 3))
        return score


_SMALL = ExportableNetwork(
    name="small",
    spec=ModelSpec(
        name="small_net",
        inputs=(TensorSpec(name="PIXELS", dtype="UINT8", shape=(16, 16, 3)),),
        outputs=(TensorSpec(name="SCORE", dtype="FP32", shape=(1,)),),
        max_batch_size=4,
    ),
    weights=Path("unused"),
    load=lambda _: Small().eval(),
    inputs_of=lambda pictures: {"PIXELS": np.stack([p[:16, :16] for p in pictures])},
    tolerances={p: {"SCORE": Tolerance(absolute=0.1)} for p in Precision},
    metric=RankAgreement(output="SCORE"),
    stage_module="unused",
    float32_islands=("head",),
    float32_after=("body",),
    quantized=("body",),
    sensitive=("body.2",),
)


@pytest.fixture(scope="session")
def module() -> nn.Module:
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture(scope="session")
def small(module: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> ExportableNetwork:
    weights = tmp_path_factory.mktemp("weights") / "small.safetensors"
    weights.write_bytes(b"stands for the weights")
    return replace(_SMALL, weights=weights, load=lambda _: module)
