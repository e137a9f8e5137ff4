"""Variants of a model repository, each in a copy of its own."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf import text_format

from packshot.contracts import QUALITY_FAMILY
from packshot.serving.repository import CONFIG_FILE, check_model, read_config
from packshot_loadtest.errors import SettingsError
from packshot_loadtest.tuning.edits import Edit, parse_edits

FLOOR: Final = "in-process"
"""The name of the floor in the record and the table: no variant may have it."""
_NAME: Final = re.compile(r"[\w+./-]+(?: [\w+./-]+)*")
"""One that a table's cell and a key of the record can hold."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The repository, changed.

    Attributes:
        name: For tables.
        edits: What is changed; none serves it as it is.
    """

    name: str
    edits: tuple[Edit, ...] = ()


SHIPPED: Final = Variant(name="as shipped")


def parse_variants(texts: Iterable[str]) -> tuple[Variant, ...]:
    """``NAME=EDITS`` each, after the repository as it is.

    Raises:
        SettingsError: One cannot be read, or two have the same name.
    """
    variants = {SHIPPED.name: SHIPPED}
    for text in texts:
        name, equals, edits = text.partition("=")
        name = name.strip()
        if not equals or not _NAME.fullmatch(name):
            raise SettingsError(
                "a variant must be NAME=EDITS, such as two-threads=quality_net:threads=2, with a"
                f" name of letters, digits and +./- (and single spaces between), got {text!r}"
            )
        if name in variants or name == FLOOR:
            raise SettingsError(f"there is a variant {name!r} already; give this one another name")
        variants[name] = Variant(name=name, edits=parse_edits(edits))
    return tuple(variants.values())


def variant_configs(repository: Path, variant: Variant) -> dict[str, str]:
    """The text of every ``config.pbtxt`` of the quality family, edited, by model.

    Raises:
        SettingsError: There is no repository, or an edit does not fit it.
        packshot.errors.ModelRepositoryError: A model's files are not all there.
    """
    if not repository.is_dir():
        raise SettingsError(f"there is no model repository at {repository} (--repository)")
    names = [spec.name for spec in QUALITY_FAMILY]
    for edit in variant.edits:
        if edit.model not in names:
            raise SettingsError(
                f"variant {variant.name!r}, {edit}: there is no such model, there are"
                f" {', '.join(names)}"
            )
    return {name: _config_text(repository, name, variant) for name in names}


@contextlib.contextmanager
def repository_with(repository: Path, configs: Mapping[str, str]) -> Iterator[Path]:
    """A temporary repository with these configurations, and everything else of the models."""
    with tempfile.TemporaryDirectory(prefix="packshot-tuning-") as folder:
        copy = Path(folder) / "model_repository"
        for name, text in configs.items():
            model = copy / name
            model.mkdir(parents=True)
            for entry in (repository / name).iterdir():
                if entry.name != CONFIG_FILE:
                    (model / entry.name).symlink_to(entry.resolve())
            (model / CONFIG_FILE).write_text(text)
        yield copy


def _config_text(repository: Path, name: str, variant: Variant) -> str:
    check_model(repository, name)
    path = repository / name / CONFIG_FILE
    edits = [edit for edit in variant.edits if edit.model == name]
    if not edits:
        return path.read_text()
    config = read_config(path)
    try:
        for edit in edits:
            edit.apply(config)
    except SettingsError as error:
        raise SettingsError(f"variant {variant.name!r}, {error}") from error
    return str(text_format.MessageToString(config))
