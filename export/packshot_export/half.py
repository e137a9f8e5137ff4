"""A PyTorch module in half precision with named float32 islands."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from packshot_export.errors import ExportError


def half_module(
    module: nn.Module, *, islands: Sequence[str] = (), widened: Sequence[str] = ()
) -> nn.Module:
    """A copy of ``module`` that computes in float16, except for its islands.

    Each leaf module casts its inputs to its own precision, so that code between modules may use
    either; the outputs of the whole are float32, as contracts say.

    Args:
        module: Float32, in evaluation mode.
        islands: Names of submodules that stay in float32, with all below them.
        widened: Names of submodules whose outputs are widened to float32.

    Raises:
        ExportError: There is no submodule of such a name.
    """
    half = copy.deepcopy(module).half()
    named = dict(half.named_modules())
    unknown = sorted({*islands, *widened} - named.keys())
    if unknown:
        raise ExportError(
            f"{type(module).__name__} has no modules named {', '.join(unknown)}; float32 islands"
            " are named as in named_modules()"
        )
    for name in islands:
        named[name].float()
    for leaf in named.values():
        parameter = next(leaf.parameters(recurse=False), next(leaf.buffers(recurse=False), None))
        if parameter is not None and parameter.is_floating_point():
            leaf.register_forward_pre_hook(_casts_inputs(parameter.dtype))
    for name in widened:
        named[name].register_forward_hook(
            lambda _module, _inputs, output: _cast(output, torch.float32)
        )
    half.register_forward_hook(lambda _module, _inputs, output: _cast(output, torch.float32))
    return half.eval()


def _casts_inputs(dtype: torch.dtype) -> Any:
    return lambda _module, inputs: _cast(inputs, dtype)


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, tuple | list):
        return type(value)(_cast(item, dtype) for item in value)
    return value
