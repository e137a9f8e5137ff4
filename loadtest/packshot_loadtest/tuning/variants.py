"""Variants of a model repository, each in a copy of its own."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf import text_format

from packshot.contracts import QUALITY
from packshot.serving.repository import CONFIG_FILE, check_model, config_path, own_networks
from packshot_loadtest.errors import SettingsError
from packshot_loadtest.photo_path import working_models
from packshot_loadtest.tuning.edits import CONFIG_KEY, Edit, parse_edits

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
                "a variant must be NAME=EDITS, such as one-thread=quality:threads=1, with a"
                f" name of letters, digits and +./- (and single spaces between), got {text!r}"
            )
        if name in variants or name == FLOOR:
            raise SettingsError(f"there is a variant {name!r} already; give this one another name")
        variants[name] = Variant(name=name, edits=parse_edits(edits))
    return tuple(variants.values())


def variant_configs(repository: Path, variant: Variant) -> dict[str, str]:
    """The text of the ``config.pbtxt`` of each model that a variant needs to score, by model.

    Raises:
        SettingsError: There is no repository, or an edit does not fit it.
        packshot.errors.ModelRepositoryError: A model's files are not all there.
    """
    if not repository.is_dir():
        raise SettingsError(f"there is no model repository at {repository} (--repository)")
    try:
        scoring = repository / QUALITY.name
        config = check_model(repository, QUALITY.name, _config_name(scoring, variant))
        working = working_models(config)
        _check_effect(scoring, variant, working)
        names = {QUALITY.name, *working, *own_networks(config)}
        return {name: _config_text(repository / name, variant) for name in sorted(names)}
    except SettingsError as error:
        raise SettingsError(f"variant {variant.name!r}, {error}") from error


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


def _check_effect(scoring: Path, variant: Variant, working: Sequence[str]) -> None:
    """Refuse edits of models that work on no photo: their numbers would say it does not matter."""
    for edit in variant.edits:
        if edit.model not in (scoring.name, *working):
            others = [n for n in _config_names(scoring) if n != _config_name(scoring, variant)]
            way_out = f"; for others take {scoring.name}:{CONFIG_KEY}={' or '.join(others)}"
            raise SettingsError(
                f"{edit}: no photo goes through {edit.model} here, only through"
                f" {', '.join(working)}{way_out if others else ''}"
            )


def _config_text(model: Path, variant: Variant) -> str:
    config_name = _config_name(model, variant)
    config = check_model(model.parent, model.name, config_name)
    edits = [edit for edit in variant.edits if edit.model == model.name and not edit.config_name]
    if not edits:
        return config_path(model, config_name).read_text()
    for edit in edits:
        edit.apply(config)
    return str(text_format.MessageToString(config))


def _config_name(model: Path, variant: Variant) -> str | None:
    """The name of the configuration that a variant takes for a model; ``None`` is the usual."""
    for edit in variant.edits:
        if edit.model == model.name and edit.config_name:
            known = _config_names(model)
            if edit.config_name not in known:
                raise SettingsError(
                    f"{edit}: {model.name} has no such configuration beside {CONFIG_FILE}, there"
                    f" {'are' if len(known) > 1 else 'is'} {', '.join(known) or 'none'}"
                )
            return edit.config_name
    return None


def _config_names(model: Path) -> list[str]:
    return sorted(path.stem for path in (model / "configs").glob("*.pbtxt"))
