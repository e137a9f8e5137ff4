"""Progress: a bar on standard error while a command works, and the server found before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from packshot_client._sync import PackshotClient
from packshot_client.options import ExitCode, stop

_T = TypeVar("_T")

_MANY: Final = 4
"""From this many items on, a progress bar is worth its space."""


def require_server(client: PackshotClient) -> None:
    """Stop with a word if nobody answers."""
    found = client.health()
    if not found.reachable:
        raise stop(found.problem, ExitCode.UNREACHABLE)


def tracked(items: Iterable[_T], label: str, total: int, *, many: int = _MANY) -> Iterator[_T]:
    """``items``, with a bar that grows as they come.

    Args:
        items: What is worked through.
        label: Says what is done.
        total: How many there will be.
        many: From how many on the bar is shown.
    """
    console = Console(stderr=True)
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = total < many or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        yield from progress.track(items, total=total)
