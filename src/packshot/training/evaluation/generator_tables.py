"""The tables of ``packshot-eval generator``."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from packshot.contracts import DEFAULT_TRUNCATION
from packshot.training.evaluation.generator import GeneratorEvaluation
from packshot.training.evaluation.generator_copies import QUANTILES, Nearness
from packshot.training.evaluation.generator_distances import SetDistance
from packshot.training.evaluation.generator_features import FEATURES_NAME
from packshot.training.evaluation.generator_judges import BACKBONE_JUDGE, JUDGES, PIXEL_JUDGE
from packshot.training.evaluation.generator_samples import TRUNCATIONS
from packshot.training.metrics import Estimate

_KID_UNIT = 1000.0
_DIGITS = {BACKBONE_JUDGE: 0, PIXEL_JUDGE: 2}
"""Decimals of FD and KID, whose size goes with that of the features."""


def generator_tables(evaluation: GeneratorEvaluation) -> list[Table]:
    """Every table."""
    return [
        summary_table(evaluation),
        overall_table(evaluation),
        recognition_table(evaluation),
        *(distance_table(evaluation, judge) for judge in JUDGES),
        copies_table(evaluation),
    ]


def summary_table(evaluation: GeneratorEvaluation) -> Table:
    """A row for each generator and truncation, beside real pictures."""
    table = Table(
        title=f"Generated packshots beside {evaluation.held_back} real ones held out",
        caption="Recognised: by classifiers trained on real pictures, the mean of the categories;"
        " on the first line real held-out ones. Spread: of a picture from its category's mean"
        " picture, root mean square, 0-255."
        f" {BACKBONE_JUDGE} has trained all generators but those of the recipes dcgan and"
        f" without-backbone: of those believe {PIXEL_JUDGE}, which has trained none."
        + ("" if _equally_long(evaluation) else " They have not all seen as many pictures."),
    )
    table.add_column("pictures of", no_wrap=True)
    for heading in ("parameters", "pictures seen", "truncation"):
        table.add_column(heading, justify="right")
    for heading in (*(f"recognised, {judge}" for judge in JUDGES), "spread"):
        table.add_column(heading, no_wrap=True)
    table.add_row(
        "real",
        "",
        "",
        "",
        *(_percent(evaluation.recognition[judge].overall) for judge in JUDGES),
        _interval(evaluation.spread["all"], digits=1),
    )
    for result in evaluation.generators:
        for truncation in TRUNCATIONS:
            at = result.at[truncation]
            table.add_row(
                result.name,
                f"{result.parameters / 1e6:.2f} M",
                "unknown" if result.pictures_seen is None else f"{result.pictures_seen:,}",
                f"{truncation:g}",
                *(_percent(at.recognition[judge].overall) for judge in JUDGES),
                _interval(at.spread["all"], digits=1),
            )
    return table


def overall_table(evaluation: GeneratorEvaluation) -> Table:
    """Distances of all categories together, in the space of each judge, with the floor."""
    floor = {judge: found["all"] for judge, found in evaluation.floor.items()}
    count = floor[BACKBONE_JUDGE].count
    table = Table(
        title="Distances to real held-out pictures, in the space of each judge",
        caption=f"{BACKBONE_JUDGE}: {FEATURES_NAME}; {PIXEL_JUDGE}: its last layer. {count} against"
        f" {count} pictures, mean and range of 95 % of the draws. FD is biased upwards by such"
        " counts, so compare it with the floor alone, which are real training pictures at the same"
        " counts.",
    )
    table.add_column("pictures of", no_wrap=True)
    table.add_column("truncation", justify="right")
    for judge in JUDGES:
        for measure in (f"FD, {judge}", "KID x1000", "density", "coverage"):
            table.add_column(measure)
    table.add_row("real (floor)", "", *_all_measures(floor))
    for result in evaluation.generators:
        for truncation in TRUNCATIONS:
            distances = result.at[truncation].distances
            found = {judge: distances[judge]["all"] for judge in JUDGES}
            table.add_row(result.name, f"{truncation:g}", *_all_measures(found))
    return table


def recognition_table(evaluation: GeneratorEvaluation) -> Table:
    """Recognition by category: real pictures, and each generator's at the served truncation."""
    table = Table(
        title="Recognised by category: real held-out pictures, and samples at truncation"
        f" {DEFAULT_TRUNCATION}",
        caption="95 % Wilson intervals",
    )
    table.add_column("category")
    sets = {
        f"{name}, {judge}": found[judge]
        for name, found in (
            ("real", evaluation.recognition),
            *((r.name, r.at[DEFAULT_TRUNCATION].recognition) for r in evaluation.generators),
        )
        for judge in JUDGES
    }
    for heading in sets:
        table.add_column(heading)
    for category in evaluation.recognition[BACKBONE_JUDGE].by_category:
        shares = (found.by_category[category] for found in sets.values())
        table.add_row(category, *map(_percent, shares))
    table.add_section()
    table.add_row("mean", *(_percent(found.overall) for found in sets.values()))
    return table


def distance_table(evaluation: GeneratorEvaluation, judge: str) -> Table:
    """FD and KID by category at full variety, with the floor, in the space of a judge."""
    table = Table(
        title=f"FD and KID (x1000) in the space of {judge} by category, truncation 1",
        caption="mean and range of 95 % of the draws, both sets of the stated count; the floor"
        " are real training pictures",
    )
    table.add_column("category")
    table.add_column("pictures", justify="right")
    names = ["floor", *(result.name for result in evaluation.generators)]
    for name in names:
        for measure in ("FD", "KID"):
            table.add_column(f"{name} {measure}", no_wrap=True)
    for category, floor in evaluation.floor[judge].items():
        full = (result.at[1.0].distances[judge] for result in evaluation.generators)
        sets = [floor, *(found[category] for found in full)]
        values = [text for found in sets for text in _measures(found, _DIGITS[judge])[:2]]
        if category == "all":
            table.add_section()
        table.add_row(category, str(floor.count), *values)
    return table


def copies_table(evaluation: GeneratorEvaluation) -> Table:
    """Distances to the nearest training picture."""
    table = Table(
        title=f"Nearest training pictures: samples of {evaluation.generators[0].name}",
        caption="suspicious: nearer than 99 % of the real held-out pictures are; pixels: root mean"
        " square difference, 0-255, mirrored or not",
    )
    table.add_column("distance by")
    table.add_column("pictures")
    for heading in (*QUANTILES, "suspicious"):
        table.add_column(heading, justify="right")
    for kind, found in (
        ("features", evaluation.copies.by_features),
        ("pixels", evaluation.copies.by_pixels),
    ):
        for name, near in found.items():
            table.add_row(kind, name, *_near_cells(near))
        table.add_section()
    return table


def _equally_long(evaluation: GeneratorEvaluation) -> bool:
    return len({result.pictures_seen for result in evaluation.generators}) == 1


def _all_measures(found: Mapping[str, SetDistance]) -> list[str]:
    return [text for judge in JUDGES for text in _measures(found[judge], _DIGITS[judge])]


def _measures(found: SetDistance, digits: int) -> tuple[str, str, str, str]:
    values = found.measures
    return (
        _interval(values["FD"], digits=digits),
        _interval(values["KID"], factor=_KID_UNIT, digits=digits),
        _interval(values["density"], digits=2),
        _interval(values["coverage"], digits=2),
    )


def _interval(estimate: Estimate, *, digits: int, factor: float = 1.0) -> str:
    value, low, high = (factor * v for v in (estimate.value, estimate.low, estimate.high))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _percent(estimate: Estimate) -> str:
    value, low, high = (100 * v for v in (estimate.value, estimate.low, estimate.high))
    return f"{value:.0f} % [{low:.0f}, {high:.0f}]"


def _near_cells(near: Nearness) -> tuple[str, ...]:
    values = (f"{value:.2f}" for value in near.quantiles.values())
    return *values, f"{near.suspicious:.1%}"
