"""Measuring the loop that scores, fixes and scores again: is it better, or only better scored?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, get_args

import torch
import typer

from packshot.contracts import DEFAULT_POLICY
from packshot.enhancement import Fix, Goals, Judge, Mender, Step, optimize
from packshot.imaging import OutputOptions, decode, encode
from packshot.models.weights import load_quality_net, load_restore_net
from packshot.policy import load_policy
from packshot.training.evaluation.enhancement_commands import (
    AsJson,
    Data,
    Resamples,
    Threads,
    identity,
    progress_console,
    show,
)
from packshot.training.evaluation.enhancement_outcomes import (
    Outcome,
    OutcomeSummary,
    PartOption,
    QualityWeights,
    RestoreWeights,
    outcome,
    outcome_table,
    part_files,
    spoil,
    summary,
    torch_judge,
    torch_restore,
)
from packshot.training.progress import StageProgress

_CHAINS_OF_A_DRAW: Final = 1000
"""More than there are photos of a part, so that no two of them ever share their faults."""


@dataclass(frozen=True, kw_only=True)
class OptimizedPhoto:
    """One spoilt photo, before and after.

    Attributes:
        name: Its file.
        faults: Names and severities, in the order applied.
        outcome: Scores of both files and their nearness to the original.
        steps: What was tried.
        stopped: Why the loop ended.
    """

    name: str
    faults: tuple[tuple[str, float], ...]
    outcome: Outcome
    steps: tuple[Step, ...]
    stopped: str

    @property
    def fixes(self) -> tuple[str, ...]:
        """What was kept."""
        return tuple(step.fix for step in self.steps if step.kept)


def evaluate_optimize(
    paths: Sequence[Path],
    *,
    judge_photo: Judge,
    mend: Mender,
    goals: Goals,
    advance: Callable[[str, int, int], None],
    draw: int = 0,
) -> list[OptimizedPhoto]:
    """Spoil, optimize and compare each photo, as the served ``optimize`` does it.

    Each ``draw`` gives the photos other faults.
    """
    results = []
    for index, path in enumerate(paths):
        photo = spoil(path, index + _CHAINS_OF_A_DRAW * draw)
        result = optimize(
            photo.spoilt,
            judge=judge_photo,
            apply_fix=mend,
            encode=lambda pixels: encode(pixels, OutputOptions(), "JPEG"),
            goals=goals,
        )
        results.append(
            OptimizedPhoto(
                name=photo.name,
                faults=photo.chain.faults,
                outcome=outcome(
                    photo,
                    photo.spoilt if result.image is None else decode(result.image.data),
                    score_before=result.before.score,
                    score_after=result.after.score,
                ),
                steps=result.steps,
                stopped=result.stopped,
            )
        )
        advance("photos", index + 1, len(paths))
    return results


def optimize_command(
    data: Data,
    quality_weights: QualityWeights = Path("weights/quality.safetensors"),
    weights: RestoreWeights = Path("weights/restore.safetensors"),
    policy: Annotated[str, typer.Option(help="Whose thresholds choose the fix.")] = DEFAULT_POLICY,
    photos: Annotated[int, typer.Option(min=2, help="Most photos.")] = 100,
    part: PartOption = "test",
    min_gain: Annotated[
        float, typer.Option(help="Points of the score that a fix must bring.")
    ] = Goals.min_gain,
    draw: Annotated[
        int, typer.Option(min=0, help="Another number gives the photos other faults.")
    ] = 0,
    resamples: Resamples = 1000,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Spoilt photos through score, fix, score again: do score and fidelity both rise?"""
    torch.set_num_threads(threads)
    with StageProgress(progress_console) as progress:
        results = evaluate_optimize(
            part_files(data, part, photos),
            judge_photo=torch_judge(load_quality_net(quality_weights), load_policy(policy)),
            mend=Mender(torch_restore(load_restore_net(weights))),
            goals=Goals(min_gain=min_gain),
            advance=progress.advance,
            draw=draw,
        )
    groups = optimize_groups(results, resamples)
    title = f"Seller photos ({part}) with two or more faults, 95 % intervals"
    settings = {"policy": policy, "part": part, "min_gain": min_gain, "draw": draw}
    measured = {"groups": groups, "photos": results}
    numbers = {"weights": identity([quality_weights, weights]), **settings, **measured}
    show([outcome_table(groups, title=title, rows="photos")], numbers, None, as_json)


def optimize_groups(results: Sequence[OptimizedPhoto], resamples: int) -> dict[str, OutcomeSummary]:
    """Summaries of all photos, those that did not pass as they came, and by what was kept."""
    chosen = {
        "all": list(results),
        "not passing as they came": [p for p in results if p.fixes or p.stopped != "passes"],
        "changed": [p for p in results if p.fixes],
    }
    for fix in get_args(Fix):
        chosen[f"changed by {fix}"] = [p for p in results if fix in p.fixes]
    return {
        name: summary([photo.outcome for photo in group], resamples)
        for name, group in chosen.items()
        if len(group) > 1
    }
