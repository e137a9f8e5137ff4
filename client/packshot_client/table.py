"""The table of scores on standard output: coloured on a terminal, plain text in a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from packshot_client._results import Language
from packshot_client.photos import FAILED, ScoredPhoto, decision_counts
from packshot_client.wording import WORDS, first_advice

DECISION_STYLES: Final = {"accept": "green", "review": "yellow", "reject": "red", FAILED: "magenta"}
_PIPE_WIDTH: Final = 10_000
"""Wide enough that no row is ever cut or wrapped, so that grep and cut see whole rows."""


def print_table(photos: Sequence[ScoredPhoto], language: Language, console: Console) -> None:
    """Print one row per photo, and how many have which decision."""
    print_rich(score_table(photos, language), console)
    words = WORDS[language]
    counts = decision_counts(photos)
    parts = [f"{words[name]} {count}" for name, count in counts.items() if count]
    console.print(f"\n{words['photos']} {len(photos)}: {', '.join(parts)}", highlight=False)


def score_table(photos: Sequence[ScoredPhoto], language: Language) -> Table:
    """File, score, decision, weakest attribute and advice of each photo."""
    words = WORDS[language]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(words["file"], overflow="fold")
    table.add_column(words["score"], justify="right", no_wrap=True)
    table.add_column(words["decision"], no_wrap=True)
    table.add_column(words["worst"], no_wrap=True)
    table.add_column(words["advice"], overflow="fold")
    for photo in photos:
        table.add_row(*_row(photo, language))
    return table


def print_rich(table: Table, console: Console) -> None:
    """Print a table as wide as the terminal, or as wide as it is when there is none."""
    if console.is_terminal:
        console.print(table)
        return
    buffer = StringIO()
    Console(file=buffer, width=_PIPE_WIDTH, color_system=None).print(table)
    for line in buffer.getvalue().splitlines():
        console.print(Text(line.rstrip()), soft_wrap=True)


def _row(photo: ScoredPhoto, language: Language) -> tuple[Text, ...]:
    words = WORDS[language]
    # Text, not str: rich would read "[brackets]" in a file name as markup.
    name = Text(one_line(str(photo.path)))
    result = photo.result
    if result is None:
        message = photo.error.message if photo.error else ""
        failed = Text(words[FAILED], style=DECISION_STYLES[FAILED])
        return name, Text("-"), failed, Text("-"), Text(one_line(message))
    worst = getattr(result.attributes, result.worst_attribute)
    return (
        name,
        Text(f"{result.score:.1f}"),
        Text(words[result.decision], style=DECISION_STYLES[result.decision]),
        Text(f"{words[result.worst_attribute]} {worst:.2f}"),
        Text(one_line(first_advice(result, language)) or "-"),
    )


def one_line(text: str) -> str:
    """``text`` without anything that could break a row or steer a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text.replace("\n", " "))
