"""The models that a Python-backend model calls (BLS), as the parameter ``calls`` names them.

``{ key: "calls" value { string_value: "quality_net:1, restore_net:1" } }``: names, each with the
version to call, so that a canary served beside the stable version of a network reaches none of
its callers. Triton knows the steps of an ensemble by itself, but nothing of a Python model's calls.

``networks`` lists in the same way the networks that a Python model computes with itself, from the
files of their versions: they must be built, but need not be served.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from packshot.errors import ContractError

CALLS_PARAMETER: Final = "calls"
NETWORKS_PARAMETER: Final = "networks"

NETWORK_FILE: Final = "model.xml"
"""Of a network for the CPU, in the folder of its version."""

NEWEST: Final = -1
"""The version that Triton serves to callers who name none."""

CANARY_SUFFIX: Final = "_canary"
"""Ends the name of the copy of a model that calls the canary of a network."""


def read_calls(text: str) -> dict[str, int]:
    """Model names to versions, ``NEWEST`` where none is named.

    Raises:
        ContractError: A version is not a whole number of 1 or more.
    """
    calls = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, colon, version = (part.strip() for part in item.partition(":"))
        if colon and not (version.isdecimal() and int(version) > 0):
            raise ContractError(
                f"parameters {CALLS_PARAMETER!r} and {NETWORKS_PARAMETER!r} in config.pbtxt must"
                f" list models as name or name:version, got {item!r}"
            )
        calls[name] = int(version) if colon else NEWEST
    return calls


def calls_text(calls: Mapping[str, int]) -> str:
    """The parameter that ``read_calls`` reads as ``calls``."""
    return ", ".join(
        name if version == NEWEST else f"{name}:{version}" for name, version in calls.items()
    )
