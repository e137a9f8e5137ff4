"""The lists of pictures on standard output: what was made of each photo."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from packshot_client._pictures import OptimizedPicture, Picture
from packshot_client._results import Language
from packshot_client.pages import size_words
from packshot_client.pictures import MadePicture
from packshot_client.table import DECISION_STYLES, one_line, print_rich
from packshot_client.wording import WORDS, kept_fixes


def print_pictures(made: Sequence[MadePicture[Picture]], console: Console) -> None:
    """Print one row per photo: where its picture is, and what that is."""
    table = _table("Photo", "Picture", "Pixels", "Size")
    for one in made:
        name = Text(one_line(str(one.path)))
        if one.result is None:
            table.add_row(name, _failure(one, "failed: "), Text("-"), Text("-"))
            continue
        pixels = f"{one.result.width} x {one.result.height}"
        size = size_words(one.result.size_bytes)
        table.add_row(name, Text(one_line(str(one.out))), Text(pixels), Text(size))
    print_rich(table, console)


def print_optimized(
    made: Sequence[MadePicture[OptimizedPicture]], language: Language, console: Console
) -> None:
    """Print one row per photo: both scores, the decision, what helped, what cannot be mended."""
    words = WORDS[language]
    table = _table(
        words["file"],
        words["before"],
        words["after"],
        words["decision"],
        words["fixes"],
        words["beyond_repair"],
    )
    for one in made:
        table.add_row(*_optimized_row(one, language))
    print_rich(table, console)
    results = [one.result for one in made if one.result]
    changed = [result for result in results if result.changed]
    rise = sum(result.gain for result in changed) / len(changed) if changed else 0.0
    parts = [
        f"{words['photos']} {len(made)}",
        f"{words['improved']} {len(changed)} (+{rise:.1f})",
        f"{words['failed']} {len(made) - len(results)}",
    ]
    console.print("\n" + ", ".join(parts), highlight=False)


def _optimized_row(
    one: MadePicture[OptimizedPicture], language: Language
) -> tuple[Text, Text, Text, Text, Text, Text]:
    words = WORDS[language]
    name = Text(one_line(str(one.path)))
    result = one.result
    if result is None:
        failed = Text(words["failed"], style=DECISION_STYLES["failed"])
        return name, Text("-"), Text("-"), failed, Text("-"), _failure(one)
    before, after = result.before.decision, result.after.decision
    decision = words[after] if before == after else f"{words[before]} → {words[after]}"
    beyond = sorted({words[f"cause_{fault.cause}"] for fault in result.beyond_repair})
    return (
        name,
        Text(f"{result.before.score:.1f}"),
        Text(f"{result.after.score:.1f}"),
        Text(decision, style=DECISION_STYLES[after]),
        Text(", ".join(kept_fixes(result, language)) or "-"),
        Text(one_line(", ".join(beyond)) or "-"),
    )


def _failure(one: MadePicture[Picture] | MadePicture[OptimizedPicture], lead: str = "") -> Text:
    return Text(one_line(lead + (one.error.message if one.error else "")), style="magenta")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
