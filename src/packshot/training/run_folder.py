"""A run folder belongs to one recipe: a run goes on as it began, or its result would be of none."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from packshot.errors import TrainingError
from packshot.training.report_file import json_text

RECIPE_NAME = "recipe.json"


def refuse_other_recipe(folder: Path, recipe: object, *, apart_from: Collection[str] = ()) -> None:
    """Check that what began in a folder is what shall go on in it.

    Args:
        folder: The run folder; without a ``recipe.json`` in it, anything may begin.
        recipe: A dataclass, or a mapping of names to plain values.
        apart_from: Names of what may change in the middle of a run.

    Raises:
        TrainingError: The folder holds the run of another recipe.
    """
    path = folder / RECIPE_NAME
    if not path.is_file():
        return
    began: Mapping[str, object] = json.loads(path.read_text(encoding="utf-8"))
    goes_on: Mapping[str, object] = json.loads(json_text(recipe))
    fixed = [name for name in goes_on if name not in apart_from]
    differing = [name for name in fixed if began.get(name) != goes_on[name]]
    if differing:
        raise TrainingError(
            f"{folder} holds a run of recipe {began.get('name')!r}, expected"
            f" {goes_on.get('name')!r} as it is now; they differ in {', '.join(differing)}."
            " Give another --run, or delete the folder to begin anew. It began with"
            f" { ({name: began.get(name) for name in differing}) }, got"
            f" { ({name: goes_on[name] for name in differing}) }"
        )
