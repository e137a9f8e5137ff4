"""The way of a photo through a model repository: which models do the work, with which network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from packshot.contracts import QUALITY, QUALITY_NET
from packshot.serving.called_models import NEWEST
from packshot.serving.repository import (
    called_versions,
    check_model,
    config_path,
    ensemble_steps,
    read_config,
    served_versions,
)


def working_models(config: Any) -> tuple[str, ...]:
    """The served models that work on a photo, in their order.

    Args:
        config: Of ``quality``, a ``ModelConfig``.

    Returns:
        The steps of an ensemble, or ``quality`` alone where one process does all of it.

    Raises:
        packshot.errors.ModelRepositoryError: It names its models wrongly.
    """
    return ensemble_steps(config) if config.platform == "ensemble" else (QUALITY.name,)


def network_folder(
    repository: Path, network: str = QUALITY_NET.name, caller: str = QUALITY.name
) -> Path:
    """The version of a network with which a served model answers, by the CPU's configurations.

    A version that was only built, or a canary, may be newer.

    Args:
        repository: Model repository.
        network: Which.
        caller: The model whose configuration names the version.

    Returns:
        Folder of the version.

    Raises:
        packshot.errors.ModelRepositoryError: A model is missing or not complete, or the caller
            names its models wrongly.
    """
    config = read_config(config_path(repository / caller))
    version = called_versions(config).get(network, NEWEST)
    if version != NEWEST:
        return repository / network / str(version)
    folders = served_versions(repository / network, check_model(repository, network))
    return max(folders, key=lambda folder: int(folder.name))
