"""Stopping without losing requests that an ensemble has accepted.

On SIGTERM Triton stops the queues of all models at once. What is queued in a model is answered,
but an ensemble's request that is between two steps is refused by the next ("Server is stopping,
scheduler for model has stopped accepting new inference requests"): of 48 in flight 47 were lost.
An ensemble that is unloaded first takes no new requests and finishes the old ones, as its steps
are still there. So the launcher starts servers in explicit model control, keeps that control to
itself by a secret where the user did not ask for it, and unloads the ensembles before SIGTERM.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Callable
from typing import Final

from packshot.errors import ModelRepositoryError, ServingError
from packshot.serving.access import ProtocolGuard
from packshot.serving.endpoint import Endpoint
from packshot.serving.options import ServerConfig
from packshot.serving.repository import config_path, ensemble_steps, read_config

CONTROL_PROTOCOL: Final = "model-repository"
CONTROL_HEADER: Final = "packshot-control"
PRIVATE_PROTOCOLS: Final = ("shared-memory", "trace", "logging")
"""What no caller from another machine has any business with."""

_READY, _UNLOADING = "READY", "UNLOADING"
_POLL_S = 0.05


def drainable(config: ServerConfig) -> ServerConfig:
    """The configuration in which the launcher, and nobody new, can unload models.

    On an address that other machines reach, the protocols in ``PRIVATE_PROTOCOLS`` are closed in
    the same way, unless the user guards them with a key of their own.

    In ``poll`` mode Triton allows no unloading: requests in flight in an ensemble are then lost.
    """
    own = [protocol for protocol in PRIVATE_PROTOCOLS if config.is_public]
    if config.model_control_mode == "none":
        own.append(CONTROL_PROTOCOL)
        config = dataclasses.replace(config, model_control_mode="explicit")
    open_ones = tuple(protocol for protocol in own if not config.is_guarded(protocol))
    if not open_ones:
        return config
    guard = ProtocolGuard(
        protocols=open_ones, header=CONTROL_HEADER, secret=secrets.token_urlsafe(16)
    )
    return dataclasses.replace(config, guards=(*config.guards, guard))


def drain_ensembles(
    config: ServerConfig, endpoint: Endpoint, *, timeout_s: float, is_alive: Callable[[], bool]
) -> bool:
    """Unload the ensembles, and wait until they have answered what they had accepted.

    Args:
        config: What the server serves.
        endpoint: The server.
        timeout_s: How long to wait.
        is_alive: Whether the server still runs.

    Returns:
        Whether all have; ``False`` as well if the server cannot be asked.
    """
    return _drain(lambda model: _is_ensemble(config, model), endpoint, timeout_s, is_alive)


def drain_models(endpoint: Endpoint, *, timeout_s: float, is_alive: Callable[[], bool]) -> bool:
    """As ``drain_ensembles``, for all models that are left."""
    return _drain(lambda _: True, endpoint, timeout_s, is_alive)


def _drain(
    is_meant: Callable[[str], bool],
    endpoint: Endpoint,
    timeout_s: float,
    is_alive: Callable[[], bool],
) -> bool:
    deadline = time.monotonic() + timeout_s
    try:
        models = [
            model
            for model, state in endpoint.model_states().items()
            if state == _READY and is_meant(model)
        ]
        for model in models:
            endpoint.unload(model)
        while is_alive() and time.monotonic() < deadline:
            states = endpoint.model_states()
            if not any(states.get(model) in (_READY, _UNLOADING) for model in models):
                return True
            time.sleep(_POLL_S)
    except ServingError:
        return False
    return False


def _is_ensemble(config: ServerConfig, model: str) -> bool:
    path = config_path(config.model_repository / model, config.model_config_name)
    try:
        return bool(ensemble_steps(read_config(path)))
    except ModelRepositoryError:
        return False
