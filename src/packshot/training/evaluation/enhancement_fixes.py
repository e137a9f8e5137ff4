"""Each fix by itself on spoilt photos: by this, and on validation photos, fixes are chosen.

How far to follow the network's tone, and what finishes its picture, are a few candidates, named
here. They are compared by whether the score *and* the nearness to the original rise, which no
choice by the score alone would do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import torch
import typer

from packshot.contracts import DEFAULT_POLICY
from packshot.enhancement import Judge, restore, restore_tone
from packshot.enhancement.caution import part_way, tone_change
from packshot.enhancement.finishing import Finish, finished
from packshot.enhancement.fixes import CAUTION, FINISHES, passes
from packshot.enhancement.restoration import RestoreFunction
from packshot.imaging import OutputOptions, decode, encode
from packshot.models.weights import load_quality_net, load_restore_net
from packshot.policy import load_policy
from packshot.training.enhancement.fidelity import PixelArray
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


class Restored(NamedTuple):
    """What the network made of a photo, [H, W, 3] uint8 each.

    Attributes:
        toned: In light and colour alone.
        picture: In all.
    """

    toned: PixelArray
    picture: PixelArray


class Restorations(NamedTuple):
    """The network's work, followed in light and colour to three degrees.

    Attributes:
        whole: All of the way.
        cautious: With ``CAUTION``.
        untoned: Not at all.
    """

    whole: Restored
    cautious: Restored
    untoned: Restored


Candidate = Callable[[Restorations], PixelArray]


def _finish(finish: Finish) -> Candidate:
    return lambda made: finished(*made.cautious, finish)


CANDIDATES: Final[dict[str, Candidate]] = {
    "tone, whole": lambda made: made.whole.toned,
    "tone": lambda made: made.cautious.toned,
    "the network alone": lambda made: made.whole.picture,
    "the same with cautious tone": lambda made: made.cautious.picture,
    "sharpened": _finish(Finish(own_detail=0.0, nearest_db=0.0)),
    "restore, gentle, but whole tone": lambda made: finished(*made.whole, FINISHES["gentle"]),
    "restore, but within 40 dB": _finish(Finish(own_detail=0.25, nearest_db=40.0)),
    **{f"restore, {name}": _finish(finish) for name, finish in FINISHES.items()},
    "detail, gentle": lambda made: finished(*made.untoned, FINISHES["gentle"]),
}
"""What the photos are put through, by name; five are attempts of ``optimize``."""


@dataclass(frozen=True, kw_only=True)
class TriedPhoto:
    """One spoilt photo.

    Attributes:
        name: Its file.
        passed: Whether it passes as it came, so that ``optimize`` would leave it alone.
        outcomes: Of each candidate.
    """

    name: str
    passed: bool
    outcomes: dict[str, Outcome]


def evaluate_fixes(
    paths: Sequence[Path],
    *,
    judge_photo: Judge,
    network: RestoreFunction,
    advance: Callable[[str, int, int], None],
) -> list[TriedPhoto]:
    """Spoil each photo, apply each candidate, write and judge the file."""
    tried = []
    for index, path in enumerate(paths):
        photo = spoil(path, index)
        pixels = photo.spoilt.pixels_hwc_u8
        verdict = judge_photo(photo.spoilt)
        whole = Restored(restore_tone(pixels, network), restore(pixels, network))
        share = CAUTION.share(tone_change(pixels, whole.toned))
        cautious, untoned = (
            Restored(*(part_way(done, pixels, whole.toned, part) for done in whole))
            for part in (share, 0.0)
        )
        made = Restorations(whole, cautious, untoned)
        outcomes = {}
        for name, candidate in CANDIDATES.items():
            after = decode(encode(candidate(made), OutputOptions(), "JPEG").data)
            score = judge_photo(after).score
            outcomes[name] = outcome(photo, after, score_before=verdict.score, score_after=score)
        tried.append(TriedPhoto(name=photo.name, passed=passes(verdict), outcomes=outcomes))
        advance("photos", index + 1, len(paths))
    return tried


def fixes(
    data: Data,
    quality_weights: QualityWeights = Path("weights/quality.safetensors"),
    weights: RestoreWeights = Path("weights/restore.safetensors"),
    policy: Annotated[str, typer.Option(help="By whose thresholds photos pass.")] = DEFAULT_POLICY,
    photos: Annotated[int, typer.Option(min=2, help="Most photos.")] = 40,
    part: PartOption = "validation",
    resamples: Resamples = 1000,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Each fix of optimize by itself, and others that were considered: score and fidelity."""
    torch.set_num_threads(threads)
    with StageProgress(progress_console) as progress:
        tried = evaluate_fixes(
            part_files(data, part, photos),
            judge_photo=torch_judge(load_quality_net(quality_weights), load_policy(policy)),
            network=torch_restore(load_restore_net(weights)),
            advance=progress.advance,
        )
    groups = fix_groups(tried, resamples)
    tables = [
        outcome_table(group, title=f"Seller photos ({part}), {title}", rows="fix")
        for title, group in groups.items()
    ]
    settings, measured = {"policy": policy, "part": part}, {"groups": groups, "photos": tried}
    numbers = {"weights": identity([quality_weights, weights]), **settings, **measured}
    show(tables, numbers, None, as_json)


def fix_groups(tried: Sequence[TriedPhoto], resamples: int) -> dict[str, dict[str, OutcomeSummary]]:
    """Summaries by fix, of the photos that did not pass as they came and of those that did."""
    parts = {
        "not passing as they came": [photo for photo in tried if not photo.passed],
        "passing as they came": [photo for photo in tried if photo.passed],
    }
    return {
        title: {
            name: summary([photo.outcomes[name] for photo in group], resamples)
            for name in CANDIDATES
        }
        for title, group in parts.items()
        if len(group) > 1
    }
