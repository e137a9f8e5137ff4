"""What a served model is told about itself when Triton loads it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packshot.errors import ContractError


@dataclass(frozen=True, kw_only=True)
class StageContext:
    """What Triton tells a model when it loads it.

    Attributes:
        version_directory: Folder of the version being loaded.
        parameters: ``parameters`` of its ``config.pbtxt``.
        instances: Processes of the model that share this machine.
    """

    version_directory: Path
    parameters: Mapping[str, str]
    instances: int = 1

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, str]) -> StageContext:
        """Read the ``args`` of ``TritonPythonModel.initialize``."""
        config = json.loads(arguments["model_config"])
        parameters = {
            name: str(value.get("string_value", ""))
            for name, value in config.get("parameters", {}).items()
        }
        folder = Path(arguments["model_repository"]) / arguments["model_version"]
        groups = config.get("instance_group", [])
        instances = sum(int(group.get("count", 1)) for group in groups) or 1
        return cls(version_directory=folder, parameters=parameters, instances=instances)

    def text(self, name: str, default: str = "") -> str:
        """A parameter as text; empty counts as absent."""
        return self.parameters.get(name, "").strip() or default

    def count(self, name: str, default: int) -> int:
        """A parameter as a whole number of 0 or more.

        Raises:
            ContractError: It is something else.
        """
        text = self.text(name, str(default))
        if not text.isdecimal():
            raise ContractError(
                f"parameter {name!r} in config.pbtxt must be a whole number of 0 or more, "
                f"got {text!r}"
            )
        return int(text)

    def threads(self, *, at_least: int = 1) -> int:
        """The parameter ``threads``; left out or 0, this process's share of the cores.

        Args:
            at_least: More than its share where that is less, up to all cores there are.
        """
        cores = len(os.sched_getaffinity(0))
        share = max(1, cores // self.instances)
        return self.count("threads", 0) or max(share, min(at_least, cores))
