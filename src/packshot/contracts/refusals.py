"""What is wrong with a refused request, told to programs in the text of the error."""

from __future__ import annotations

import re
from typing import Final, Literal, cast, get_args

Fault = Literal["unknown_policy"]
"""What is wrong with a request that was refused, where callers tell it from all else."""

_FAULT: Final = re.compile(rf" \[packshot:({'|'.join(get_args(Fault))})\]")


def with_fault(message: str, fault: Fault) -> str:
    """An error message that says for programs too what is wrong: ``... [packshot:<fault>]``.

    Triton carries nothing but a status and a text, and INVALID_ARGUMENT is the status of
    everything that a caller can get wrong.
    """
    return f"{message} [packshot:{fault}]"


def split_fault(message: str) -> tuple[str, Fault | None]:
    """A server's message without what :func:`with_fault` added, and the fault if it names one."""
    found = _FAULT.search(message)
    if found is None:
        return message, None
    return message[: found.start()] + message[found.end() :], cast(Fault, found[1])
