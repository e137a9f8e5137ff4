"""What can be exported, and for each network: its weights, example inputs and tolerances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import nn

from packshot.contracts import QUALITY_NET, ModelSpec
from packshot.imaging.views import fragments, global_view
from packshot.models.weights import load_quality_net
from packshot_export.errors import UnknownNetworkError

Arrays = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """Largest difference from PyTorch's output: ``absolute + relative * |expected|``."""

    absolute: float
    relative: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ExportableNetwork:
    """One network and how its export is proved.

    Attributes:
        name: What ``packshot-export build`` calls it.
        spec: The contract of the served model.
        weights: Where its weights lie, from the root of the repository.
        load: Reads the weights into the PyTorch network, in evaluation mode.
        example_inputs: ``(batch, seed)`` to one array for each input of the contract.
        tolerances: Per output, for float32 runtimes.
        stage_module: Module whose ``TritonPythonModel`` serves the compiled model on CPU.
    """

    name: str
    spec: ModelSpec
    weights: Path
    load: Callable[[Path], nn.Module]
    example_inputs: Callable[[int, int], Arrays]
    tolerances: Mapping[str, Tolerance]
    stage_module: str


def _photo_like(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A random picture with the smooth areas, edges and noise of a photo, [H, W, 3] uint8."""
    height, width = (int(side) for side in rng.integers(60, 900, size=2))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    picture = np.empty((height, width, 3), np.float32)
    for channel in range(3):
        fx, fy, phase = rng.uniform(0.002, 0.1), rng.uniform(0.002, 0.1), rng.uniform(0, 6)
        picture[..., channel] = 128 + 100 * np.sin(fx * x + fy * y + phase)
    top, left = int(rng.integers(height // 2)), int(rng.integers(width // 2))
    picture[top : top + height // 3, left : left + width // 3] = rng.uniform(0, 255, 3)
    picture += rng.standard_normal(picture.shape, np.float32) * float(rng.uniform(0, 20))
    return np.clip(picture, 0, 255).astype(np.uint8)


def quality_inputs(batch: int, seed: int) -> Arrays:
    """Both views of ``batch`` photo-like pictures, prepared as serving prepares them."""
    rng = np.random.default_rng(seed)
    pictures = [_photo_like(rng) for _ in range(batch)]
    return {
        "GLOBAL_VIEW": np.stack([global_view(picture) for picture in pictures]),
        "FRAGMENTS": np.stack([fragments(picture) for picture in pictures]),
    }


NETWORKS: dict[str, ExportableNetwork] = {
    network.name: network
    for network in (
        ExportableNetwork(
            name="quality",
            spec=QUALITY_NET,
            weights=Path("weights/quality.safetensors"),
            load=load_quality_net,
            example_inputs=quality_inputs,
            tolerances={
                "SCORE": Tolerance(absolute=0.02),
                "NET_ATTRIBUTES": Tolerance(absolute=1e-3),
                "UNCERTAINTY": Tolerance(absolute=0.02),
                "QUALITY_MAP": Tolerance(absolute=1e-3),
            },
            stage_module="packshot.serving.quality_net",
        ),
    )
}


def network_named(name: str) -> ExportableNetwork:
    """The exportable network of that name.

    Raises:
        UnknownNetworkError: There is none.
    """
    if name not in NETWORKS:
        raise UnknownNetworkError(f"no network {name!r}; known: {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name]
