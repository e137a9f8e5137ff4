"""What can be exported. Adding a network is one declaration: docs/bring-your-own-model.md."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import nn

from packshot.contracts import (
    CATEGORIES,
    CATEGORY_NUMBER,
    GENERATED,
    GENERATOR_NET,
    LATENT,
    NET_TRUNCATION,
    PIXELS,
    QUALITY_NET,
    RESTORE_NET,
    RESTORED,
    THUMBNAIL,
    UPSCALE_NETS,
    UPSCALED,
    ModelSpec,
)
from packshot.generation.latents import latents
from packshot.imaging.views import fragments, global_view
from packshot.models.weights import (
    load_generator,
    load_quality_net,
    load_restore_net,
    load_upscale_net,
)
from packshot_export.errors import UnknownNetworkError
from packshot_export.pictures import Picture, generated_pictures
from packshot_export.precision import Precision, Tolerance
from packshot_export.task_metric import ImageAgreement, RankAgreement, TaskMetric

Arrays = dict[str, npt.NDArray[np.generic]]

OPTIMUM_BATCH = 8


@dataclass(frozen=True, kw_only=True)
class ExportableNetwork:
    """One network and how its export is made and proved.

    Attributes:
        name: What ``packshot-export build`` calls it.
        spec: The contract of the served model. A dimension of -1 is variable: see ``sizes``.
        weights: Where its weights lie, from the root of the repository.
        load: Reads the weights into the PyTorch network, in evaluation mode.
        inputs_of: Pictures to one array for each input of the contract, as serving prepares them:
            for calibration, parity and golden answers.
        tolerances: Per precision that it is built in, the largest difference from PyTorch of each
            output.
        metric: The task metric that rounding must not spoil.
        stage_module: Module whose ``TritonPythonModel`` serves the compiled model on CPU.
        float32_islands: FP16: modules, by name, that go on computing in float32.
        float32_after: FP16: modules whose outputs are widened to float32, so that the code after
            them that is in no module computes in float32.
        precision_on_cpu: What CPUs serve: the quickest within its accuracy budget, by
            ``packshot-export bench``.
        quantized: INT8: modules, by name, whose convolutions are quantized; the rest of the
            network stays in float32.
        sensitive: INT8: modules in ``quantized`` that are left out, by
            ``packshot-export sensitivity``.
        int8_refusal: Why it is not built in INT8, where it is not.
        sizes: Least, best and largest value of each variable dimension, by ``TENSOR.axis`` with
            the batch as axis 0. The batch itself is declared by ``spec.max_batch_size``.
    """

    name: str
    spec: ModelSpec
    weights: Path
    load: Callable[[Path], nn.Module]
    inputs_of: Callable[[Sequence[Picture]], Arrays]
    tolerances: Mapping[Precision, Mapping[str, Tolerance]]
    metric: TaskMetric
    stage_module: str
    precision_on_cpu: Precision = Precision.FP32
    float32_islands: tuple[str, ...] = ()
    float32_after: tuple[str, ...] = ()
    quantized: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    int8_refusal: str = ""
    sizes: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        outputs = {tensor.name for tensor in self.spec.outputs}
        for precision, tolerances in self.tolerances.items():
            if tolerances.keys() != outputs:
                raise ValueError(
                    f"{self.name} has the outputs {sorted(outputs)}, but its {precision.value}"
                    f" tolerances are for {sorted(tolerances)}"
                )
        if self.metric.output not in outputs:
            raise ValueError(
                f"{self.name}: no output {self.metric.output}, it has {sorted(outputs)}"
            )
        for tensor in self.spec.inputs:
            for axis, size in enumerate(tensor.shape, start=1):
                if size == -1 and f"{tensor.name}.{axis}" not in self.sizes:
                    raise ValueError(
                        f"{self.name}: axis {axis} of {tensor.name} is variable; declare"
                        f" sizes['{tensor.name}.{axis}'] = (least, best, largest)"
                    )

    @property
    def calibration_file(self) -> Path:
        """Where the calibration lies that ships with the weights, if one does."""
        return self.weights.with_suffix(".int8.json")

    def example_inputs(self, batch: int, seed: int) -> Arrays:
        """Inputs made from generated pictures."""
        return self.inputs_of(generated_pictures(batch, seed).pictures)

    def profile(self, tensor: str) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Least, best and largest shape of an input, batch first."""
        spec = next(found for found in self.spec.inputs if found.name == tensor)
        batches = (1, min(OPTIMUM_BATCH, self.spec.max_batch_size), self.spec.max_batch_size)
        least, best, largest = (
            (
                batches[which],
                *(
                    self.sizes[f"{tensor}.{axis}"][which] if size == -1 else size
                    for axis, size in enumerate(spec.shape, start=1)
                ),
            )
            for which in range(3)
        )
        return least, best, largest


def quality_inputs(pictures: Sequence[Picture]) -> Arrays:
    """Both views of each picture, prepared as serving prepares them."""
    return {
        "GLOBAL_VIEW": np.stack([global_view(picture) for picture in pictures]),
        "FRAGMENTS": np.stack([fragments(picture) for picture in pictures]),
    }


def _quality_tolerances(score: float, attribute: float) -> dict[str, Tolerance]:
    return {
        "SCORE": Tolerance(absolute=score),
        "NET_ATTRIBUTES": Tolerance(absolute=attribute),
        "UNCERTAINTY": Tolerance(absolute=score),
        "QUALITY_MAP": Tolerance(absolute=attribute),
    }


QUALITY = ExportableNetwork(
    name="quality",
    spec=QUALITY_NET,
    weights=Path("weights/quality.safetensors"),
    load=load_quality_net,
    inputs_of=quality_inputs,
    tolerances={
        Precision.FP32: _quality_tolerances(score=0.02, attribute=1e-3),
        Precision.FP16: _quality_tolerances(score=1.0, attribute=0.05),
        # Single values may wander; that the ranking holds is the metric's to say.
        Precision.INT8: _quality_tolerances(score=10.0, attribute=0.3),
    },
    metric=RankAgreement(output="SCORE"),
    stage_module="packshot.serving.quality_net",
    precision_on_cpu=Precision.INT8,
    # Pooling sums thousands of squares, which overflow float16; the heads cost nothing.
    float32_islands=(
        "feature_norm", "shared", "attribute_shared", "score_head", "attribute_head",
        "colour_shared", "colour_head", "uncertainty_head", "map_reduce", "map_head",
    ),
    float32_after=("backbone",),
    quantized=("backbone",),
    # Of the stem and blocks 0 to 6, the three that mended most in float: docs/publishing.md.
    sensitive=("backbone._conv_stem", "backbone._blocks.0", "backbone._blocks.1"),
)  # fmt: skip

_TILE = (128, 160)


def tile_inputs(pictures: Sequence[Picture]) -> Arrays:
    """The top left tile of each picture, mirrored where it is smaller, [N, 128, 160, 3]."""
    height, width = _TILE
    tiles = []
    for picture in pictures:
        tile = picture[:height, :width]
        missing = ((0, height - tile.shape[0]), (0, width - tile.shape[1]), (0, 0))
        tiles.append(np.pad(tile, missing, "symmetric"))
    return {PIXELS.name: np.stack(tiles)}


def restore_inputs(pictures: Sequence[Picture]) -> Arrays:
    """A tile of each picture, and the thumbnail of the whole."""
    thumbnails = np.stack([global_view(picture) for picture in pictures])
    return {**tile_inputs(pictures), THUMBNAIL.name: thumbnails}


def _image_tolerances(output: str) -> dict[Precision, dict[str, Tolerance]]:
    # Values are rounded to 8 bits: two runtimes may differ by one where it lies between two.
    largest = {Precision.FP32: 1, Precision.FP16: 8, Precision.INT8: 96}
    return {
        precision: {output: Tolerance(absolute=allowed)} for precision, allowed in largest.items()
    }


RESTORE = ExportableNetwork(
    name="restore",
    spec=RESTORE_NET,
    weights=Path("weights/restore.safetensors"),
    load=load_restore_net,
    inputs_of=restore_inputs,
    tolerances=_image_tolerances(RESTORED.name),
    metric=ImageAgreement(output=RESTORED.name),
    stage_module="packshot.serving.image_net",
    # Histograms count single pixels, and the tone they set falls on the whole picture.
    float32_islands=("tone",),
    quantized=("detail",),
    sizes={"PIXELS.1": (64, 512, 640), "PIXELS.2": (64, 512, 640)},
)

UPSCALERS = tuple(
    ExportableNetwork(
        name=f"upscale_x{scale}",
        spec=spec,
        weights=Path(f"weights/upscale_x{scale}.safetensors"),
        load=load_upscale_net,
        inputs_of=tile_inputs,
        tolerances=_image_tolerances(UPSCALED.name),
        metric=ImageAgreement(output=UPSCALED.name),
        stage_module="packshot.serving.image_net",
        quantized=("blocks",),
        sizes={"PIXELS.1": (64, 256, 448), "PIXELS.2": (64, 256, 448)},
    )
    for scale, spec in UPSCALE_NETS.items()
)


def generator_inputs(pictures: Sequence[Picture]) -> Arrays:
    """A latent, a category and a truncation for each picture, of which only the bytes count."""
    seeds = [zlib.crc32(picture.tobytes()) for picture in pictures]
    return {
        LATENT.name: latents(seeds),
        CATEGORY_NUMBER.name: np.array([[seed % len(CATEGORIES)] for seed in seeds], np.int32),
        NET_TRUNCATION.name: np.array([[seed % 11 / 10] for seed in seeds], np.float32),
    }


GENERATOR = ExportableNetwork(
    name="generator",
    spec=GENERATOR_NET,
    weights=Path("weights/generator.safetensors"),
    load=load_generator,
    inputs_of=generator_inputs,
    tolerances={
        precision: tolerances
        for precision, tolerances in _image_tolerances(GENERATED.name).items()
        if precision is not Precision.INT8
    },
    metric=ImageAgreement(output=GENERATED.name),
    stage_module="packshot.serving.generator_net",
    int8_refusal="the weights of its convolutions are computed in the graph (stored weight times"
    " gain), where Q/DQ nodes want constants, and 64x64 pixels are a small part of a request",
)

NETWORKS: dict[str, ExportableNetwork] = {
    network.name: network for network in (QUALITY, RESTORE, *UPSCALERS, GENERATOR)
}


def network_named(name: str) -> ExportableNetwork:
    """The exportable network of that name.

    Raises:
        UnknownNetworkError: There is none.
    """
    if name not in NETWORKS:
        raise UnknownNetworkError(f"no network {name!r}; known: {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name]


def network_of_model(model: str) -> ExportableNetwork:
    """The network that is served as ``model``.

    Raises:
        UnknownNetworkError: There is none.
    """
    for network in NETWORKS.values():
        if network.spec.name == model:
            return network
    served = ", ".join(sorted(network.spec.name for network in NETWORKS.values()))
    raise UnknownNetworkError(f"no network is served as {model!r}; known: {served}")
