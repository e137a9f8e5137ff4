"""Weights on disk: safetensors only, checked against the network before a tensor is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from packshot.contracts import SCALES
from packshot.errors import WeightsError
from packshot.models.generator import FIRST_SIDE, Generator, GeneratorConfig, channels_at
from packshot.models.inpainting import InpaintNet
from packshot.models.quality import QualityNet
from packshot.models.restoration import RestoreNet
from packshot.models.upscaling import UpscaleNet, UpscaleNetConfig


def load_quality_net(path: Path) -> QualityNet:
    """The quality network with the weights of ``path``, in evaluation mode, float32.

    Raises:
        WeightsError: See ``load_weights``.
    """
    network = QualityNet()
    load_weights(network, path)
    return network.eval()


def load_restore_net(path: Path) -> RestoreNet:
    """The restoration network with the weights of ``path``, in evaluation mode, float32.

    Raises:
        WeightsError: See ``load_weights``.
    """
    network = RestoreNet()
    load_weights(network, path)
    return network.eval()


def load_upscale_net(path: Path) -> UpscaleNet:
    """The upscaling network of ``path``, at the scale its file states, in evaluation mode, float32.

    Raises:
        WeightsError: The file states no scale that we know; and see ``load_weights``.
    """
    stated = weights_metadata(path).get("scale", "none")
    if stated not in map(str, SCALES):
        raise WeightsError(
            f"{path} is not for upscaling: expected the scale {' or '.join(map(str, SCALES))} in"
            f" its metadata, got {stated}"
        )
    network = UpscaleNet(UpscaleNetConfig(scale=int(stated)))
    load_weights(network, path)
    return network.eval()


def load_generator(path: Path) -> Generator:
    """The generator with the sizes and the weights of ``path``, in evaluation mode, float32.

    Raises:
        WeightsError: The file is not of a generator; and see ``load_weights``.
    """
    shapes = tensor_shapes(path)
    sizes = [shapes.get(name, ()) for name in ("constant", "mean_styles")]
    per_width = channels_at(FIRST_SIDE, 1)
    if [len(size) for size in sizes] != [4, 2] or min(sizes[0][1] // per_width, *sizes[1]) < 1:
        raise WeightsError(
            f"{path} is not of a generator: expected the tensors constant, of 4 dimensions, and"
            f" mean_styles, of 2, got {sizes[0]} and {sizes[1]}"
        )
    (_, channels, _, _), (categories, style_size) = sizes
    network = Generator(
        GeneratorConfig(width=channels // per_width, style_size=style_size, categories=categories)
    )
    load_weights(network, path)
    return network.eval()


def load_inpaint_net(path: Path) -> InpaintNet:
    """The inpainting network with the weights of ``path``, in evaluation mode, float32.

    Raises:
        WeightsError: See ``load_weights``.
    """
    network = InpaintNet()
    load_weights(network, path)
    return network.eval()


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of a file, by name.

    Raises:
        WeightsError: No such file, or not safetensors.
    """
    with _safetensors(path), safe_open(path, framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def weights_metadata(path: Path) -> dict[str, str]:
    """What was written beside the tensors: recipe, seed, validation, where a network has it scale.

    Raises:
        WeightsError: No such file, or not safetensors.
    """
    with _safetensors(path), safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def load_weights(network: nn.Module, path: Path) -> None:
    """Fill ``network`` from a safetensors file; half precision is widened to float32.

    Raises:
        WeightsError: No such file, not safetensors (a pickle is never opened), tensors missing,
            left over or of another shape, or values that are not finite.
    """
    with _safetensors(path):
        state = load_file(path)
    expected = network.state_dict()
    name = type(network).__name__
    missing, extra = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing or extra:
        raise WeightsError(
            f"{path} does not fit {name}: {len(missing)} tensors missing (first: {missing[:3]}),"
            f" {len(extra)} left over (first: {extra[:3]})"
        )
    for key, tensor in state.items():
        if tensor.shape != expected[key].shape:
            raise WeightsError(
                f"{path} does not fit {name}: {key} is {tuple(tensor.shape)},"
                f" expected {tuple(expected[key].shape)}"
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{path}: {key} holds values that are not finite")
    network.load_state_dict(state)


@contextmanager
def _safetensors(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise WeightsError(f"no weights at {path}")
    try:
        yield
    except SafetensorError as error:
        raise WeightsError(
            f"{path} is not a safetensors file ({error}); pickled checkpoints are not taken"
        ) from error


def save_weights(network: nn.Module, path: Path, *, metadata: dict[str, str]) -> None:
    """Write a safetensors file: parameters in float16, statistics (buffers) as they are."""
    parameters = {name for name, _ in network.named_parameters()}
    state = {
        name: (tensor.half() if name in parameters else tensor).contiguous().cpu()
        for name, tensor in network.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path, metadata=metadata)
