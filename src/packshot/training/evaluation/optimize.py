"""Measuring the loop that scores, fixes and scores again: is it better, or only better scored?

Photos of sellers that no training saw are spoilt, written as JPEG and optimized as the served
``optimize`` does it. The original tells whether a rising score means a truer picture.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
import torch
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table

from packshot.contracts import ATTRIBUTES, DEFAULT_POLICY, LEARNED_ATTRIBUTES
from packshot.enhancement import Fix, Goals, Judge, Mender, Optimized, Step, optimize
from packshot.enhancement.restoration import RestoreFunction
from packshot.imaging import DecodedImage, OutputOptions, decode, encode, prepare_decoded
from packshot.models.quality import QualityNet
from packshot.models.restoration import RestoreNet
from packshot.models.weights import load_quality_net, load_restore_net
from packshot.policy import Policy, Verdict, judge, load_policy
from packshot.training.enhancement.fidelity import PixelArray, delta_e, psnr
from packshot.training.enhancement.photos import split_source
from packshot.training.evaluation.predictions import predict_pictures
from packshot.training.evaluation.restoration import evaluation_chain
from packshot.training.metrics import Estimate, mean_estimate
from packshot.training.progress import StageProgress
from packshot.training.quality.photos import read_photo
from packshot.training.report_file import json_text

console = Console()
progress_console = Console(stderr=True)

Part = Literal["test", "validation"]

INPUT_QUALITY = 92
"""JPEG quality of the spoilt photos: that the file is one adds next to nothing to their faults."""


@dataclass(frozen=True, kw_only=True)
class OptimizedPhoto:
    """One spoilt photo, before and after.

    Attributes:
        name: Its file.
        faults: Names and severities, in the order applied.
        score_before: Of the spoilt file.
        score_after: Of the file that came back.
        psnr_before: Of the spoilt file against the original, dB.
        psnr_after: Of the file that came back.
        delta_e_after: Mean CIEDE2000 of the file that came back against the original.
        steps: What was tried.
        stopped: Why the loop ended.
    """

    name: str
    faults: tuple[tuple[str, float], ...]
    score_before: float
    score_after: float
    psnr_before: float
    psnr_after: float
    delta_e_after: float
    steps: tuple[Step, ...]
    stopped: str

    @property
    def fixes(self) -> tuple[str, ...]:
        """What was kept."""
        return tuple(step.fix for step in self.steps if step.kept)

    @property
    def score_rises(self) -> bool:
        """Whether the judge likes it better."""
        return self.score_after > self.score_before

    @property
    def psnr_rises(self) -> bool:
        """Whether it is nearer to the original."""
        return self.psnr_after > self.psnr_before


@dataclass(frozen=True, kw_only=True)
class OptimizeSummary:
    """Shares (0-1) and mean gains over some of the photos.

    Attributes:
        photos: How many.
        score_rises: Share with a higher score.
        psnr_rises: Share nearer to the original.
        gamed: Share with a higher score, yet farther from the original.
        score_gain: Points.
        psnr_gain: dB.
        delta_e: Mean CIEDE2000 to the original afterwards.
    """

    photos: int
    score_rises: float
    psnr_rises: float
    gamed: float
    score_gain: Estimate
    psnr_gain: Estimate
    delta_e: Estimate


def torch_judge(network: QualityNet, policy: Policy) -> Judge:
    """The quality network and a policy, as served."""

    def judged(image: DecodedImage) -> Verdict:
        facts = prepare_decoded(image).facts
        found = predict_pictures(network, [image.pixels_hwc_u8])
        values = dict(zip(LEARNED_ATTRIBUTES, map(float, found.attributes[0]), strict=True))
        values[ATTRIBUTES[-1]] = facts["composition"]["score"]
        return judge(
            score=float(found.scores[0]),
            uncertainty=float(found.uncertainty[0]),
            attributes=values,
            facts=facts,
            policy=policy,
        )

    return judged


def torch_restore(network: RestoreNet) -> RestoreFunction:
    """The restoration network as a function on arrays."""

    @torch.inference_mode()
    def restored(tiles: PixelArray, thumbnails: PixelArray) -> PixelArray:
        output = network(torch.from_numpy(tiles), torch.from_numpy(thumbnails))
        return np.asarray(output.numpy(), np.uint8)

    return restored


def evaluate_optimize(
    paths: Sequence[Path],
    *,
    judge_photo: Judge,
    mend: Mender,
    goals: Goals,
    advance: Callable[[str, int, int], None],
) -> list[OptimizedPhoto]:
    """Spoil, optimize and compare each photo."""
    results = []
    for index, path in enumerate(paths):
        original = read_photo(path)
        chain = evaluation_chain(index)
        buffer = io.BytesIO()
        Image.fromarray(chain.apply(original)).save(buffer, "JPEG", quality=INPUT_QUALITY)
        spoilt = decode(buffer.getvalue())
        result = optimize(
            spoilt,
            judge=judge_photo,
            apply_fix=mend,
            encode=lambda pixels: encode(pixels, OutputOptions(), "JPEG"),
            goals=goals,
        )
        after = spoilt if result.image is None else decode(result.image.data)
        results.append(_compared(path.name, chain.faults, original, spoilt, after, result))
        advance("photos", index + 1, len(paths))
    return results


def summary(photos: Sequence[OptimizedPhoto], resamples: int) -> OptimizeSummary:
    """Shares and mean gains; the photos must be two or more."""

    def mean(values: list[float]) -> Estimate:
        return mean_estimate(values, resamples=resamples)

    return OptimizeSummary(
        photos=len(photos),
        score_rises=float(np.mean([photo.score_rises for photo in photos])),
        psnr_rises=float(np.mean([photo.psnr_rises for photo in photos])),
        gamed=float(np.mean([p.score_rises and p.psnr_after < p.psnr_before for p in photos])),
        score_gain=mean([photo.score_after - photo.score_before for photo in photos]),
        psnr_gain=mean([photo.psnr_after - photo.psnr_before for photo in photos]),
        delta_e=mean([photo.delta_e_after for photo in photos]),
    )


def optimize_table(groups: dict[str, OptimizeSummary], part: Part) -> Table:
    """A row for each group of photos."""
    table = Table(title=f"Seller photos ({part}) with two or more faults, 95 % intervals")
    headings = ("photos", "count", "score rises", "PSNR rises", "gamed", "score gain",
                "PSNR gain, dB", "mean ΔE2000")  # fmt: skip
    for heading in headings:
        table.add_column(heading)
    for name, group in groups.items():
        shares = (group.score_rises, group.psnr_rises, group.gamed)
        table.add_row(
            name,
            str(group.photos),
            *(f"{share:.0%}" for share in shares),
            str(group.score_gain),
            str(group.psnr_gain),
            str(group.delta_e),
        )
    table.caption = "gamed: the score rises, and the picture is farther from the original"
    return table


def optimize_command(
    data: Annotated[Path, typer.Option(help="Folder with seller_photos/.")],
    quality_weights: Annotated[Path, typer.Option(help="Safetensors file.")] = Path(
        "weights/quality.safetensors"
    ),
    weights: Annotated[Path, typer.Option(help="Safetensors file of the restoration.")] = Path(
        "weights/restore.safetensors"
    ),
    policy: Annotated[str, typer.Option(help="Whose thresholds choose the fix.")] = DEFAULT_POLICY,
    photos: Annotated[int, typer.Option(min=2, help="Most photos.")] = 100,
    part: Annotated[
        Part, typer.Option(help="Photos held out, or those that decisions may be made by.")
    ] = "test",
    min_gain: Annotated[
        float, typer.Option(help="Points of the score that a fix must bring.")
    ] = Goals.min_gain,
    resamples: Annotated[
        int, typer.Option(min=10, help="Draws of each bootstrap interval.")
    ] = 1000,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Spoilt photos through score, fix, score again: do score and fidelity both rise?"""
    torch.set_num_threads(threads)
    judge_photo = torch_judge(load_quality_net(quality_weights), load_policy(policy))
    mend = Mender(torch_restore(load_restore_net(weights)))
    split = split_source(data / "seller_photos")
    files = split.test if part == "test" else split.validation
    chosen = np.linspace(0, len(files) - 1, min(photos, len(files)), dtype=int)
    with StageProgress(progress_console) as progress:
        results = evaluate_optimize(
            [files[index] for index in chosen],
            judge_photo=judge_photo,
            mend=mend,
            goals=Goals(min_gain=min_gain),
            advance=progress.advance,
        )
    groups = _groups(results, resamples)
    if as_json:
        identity = {str(p): _sha256(p) for p in (quality_weights, weights)}
        measured = {"groups": groups, "photos": results}
        numbers = {"weights": identity, "policy": policy, "part": part, **measured}
        typer.echo(json_text(numbers), nl=False)
    else:
        console.print(optimize_table(groups, part))


def _groups(results: Sequence[OptimizedPhoto], resamples: int) -> dict[str, OptimizeSummary]:
    chosen = {
        "all": list(results),
        "not passing as they came": [p for p in results if p.fixes or p.stopped != "passes"],
        "changed": [p for p in results if p.fixes],
    }
    for fix in get_args(Fix):
        chosen[f"changed by {fix}"] = [p for p in results if fix in p.fixes]
    return {name: summary(group, resamples) for name, group in chosen.items() if len(group) > 1}


def _compared(
    name: str,
    faults: tuple[tuple[str, float], ...],
    original: PixelArray,
    spoilt: DecodedImage,
    after: DecodedImage,
    result: Optimized,
) -> OptimizedPhoto:
    return OptimizedPhoto(
        name=name,
        faults=faults,
        score_before=result.before.score,
        score_after=result.after.score,
        psnr_before=psnr(spoilt.pixels_hwc_u8, original),
        psnr_after=psnr(after.pixels_hwc_u8, original),
        delta_e_after=delta_e(after.pixels_hwc_u8, original),
        steps=result.steps,
        stopped=result.stopped,
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
