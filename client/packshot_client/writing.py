"""Writing: the files that commands leave behind."""

from __future__ import annotations

from pathlib import Path

import typer

from packshot_client.options import ExitCode, stop


def check_writable(*outputs: Path | None) -> None:
    """Stop with a word before any work is done for files that could not be written."""
    for output in outputs:
        if output is not None and (output.is_dir() or not output.absolute().parent.is_dir()):
            raise stop(
                f"{output} cannot be written: give a file in a folder that exists.", ExitCode.USAGE
            )


def write_text(path: Path, text: str) -> None:
    """Write a file, and say so on standard error."""
    try:
        path.write_bytes(encoded(text))
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}."
        raise stop(message, ExitCode.USAGE) from None
    typer.echo(f"Wrote {path}", err=True)


def encoded(text: str) -> bytes:
    """``text`` in UTF-8, whatever is in it."""
    # File names need not be Unicode: their odd bytes become escapes, which JSON reads back.
    return text.encode("utf-8", "backslashreplace")


def replace_file(path: Path, data: bytes) -> None:
    """Write a whole file or nothing; a link in its place is replaced, not followed.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
