"""The restoration network's guess at light and colour by itself.

By this, and on validation photos, tone branches are compared. Several versions of each photo make
the numbers firm: tone alone costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.table import Table

from packshot.models.restoration import RestoreNet
from packshot.models.weights import load_restore_net
from packshot.training.enhancement.fault_chains import TONAL_FAULTS, FaultChain, draw_chain
from packshot.training.enhancement.fidelity import PixelArray, delta_e, psnr
from packshot.training.enhancement.restoration import toned
from packshot.training.evaluation.enhancement_commands import (
    AsJson,
    Data,
    Resamples,
    Threads,
    identity,
    progress_console,
    show,
)
from packshot.training.evaluation.enhancement_outcomes import PartOption, RestoreWeights, part_files
from packshot.training.metrics import Estimate, mean_estimate
from packshot.training.progress import StageProgress
from packshot.training.quality.photos import read_photo

_CPU = torch.device("cpu")
_MOST_PSNR = 60.0
_FARTHER_DB = 0.1
"""A fall of PSNR by less is rounding."""


@dataclass(frozen=True, kw_only=True)
class ToneVersion:
    """A photo with faults, or with none, toned.

    Attributes:
        name: Its file.
        kind: ``light or colour``, ``neither`` (faults of detail alone) or ``clean``.
        psnr_before: To the original, dB, 60 at most.
        psnr_after: The same of the toned.
        delta_e_before: Mean CIEDE2000 to the original.
        delta_e_after: The same of the toned.
    """

    name: str
    kind: str
    psnr_before: float
    psnr_after: float
    delta_e_before: float
    delta_e_after: float


@dataclass(frozen=True, kw_only=True)
class ToneSummary:
    """The versions of one kind.

    Attributes:
        versions: How many.
        farther: Share whose PSNR falls by more than 0.1 dB.
        psnr_gain: dB; of clean photos the PSNR to the original.
        delta_e_before: Mean CIEDE2000 of the versions as they were.
        delta_e: Mean CIEDE2000 afterwards.
    """

    versions: int
    farther: float
    psnr_gain: Estimate
    delta_e_before: float
    delta_e: Estimate


def evaluate_tone(
    paths: Sequence[Path],
    *,
    network: RestoreNet,
    versions: int,
    advance: Callable[[str, int, int], None],
) -> list[ToneVersion]:
    """Spoil each photo in so many ways, and once not at all, and tone it."""
    measured = []
    for index, path in enumerate(paths):
        original = read_photo(path)
        for version in range(versions + 1):
            chain = FaultChain(())
            if version < versions:
                chain = draw_chain(np.random.default_rng((70, version, index)), minimum=2)
            measured.append(_measured(network, path.name, original, chain))
        advance("photos", index + 1, len(paths))
    return measured


def _measured(
    network: RestoreNet, name: str, original: PixelArray, chain: FaultChain
) -> ToneVersion:
    spoilt = chain.apply(original)
    guess = toned(network, spoilt, _CPU)
    tonal = any(fault in TONAL_FAULTS for fault, _ in chain.faults)
    return ToneVersion(
        name=name,
        kind="light or colour" if tonal else "neither" if chain.faults else "clean",
        psnr_before=_psnr(spoilt, original),
        psnr_after=_psnr(guess, original),
        delta_e_before=_delta_e(spoilt, original),
        delta_e_after=_delta_e(guess, original),
    )


def _psnr(image: PixelArray, original: PixelArray) -> float:
    return min(psnr(image, original), _MOST_PSNR)


def _delta_e(image: PixelArray, original: PixelArray) -> float:
    # Every third pixel each way: colour differences are most of the time, and smooth.
    return delta_e(image[::3, ::3], original[::3, ::3])


def tone_groups(measured: Sequence[ToneVersion], resamples: int) -> dict[str, ToneSummary]:
    """Of all spoilt versions, then by kind; two or more each."""
    groups = {"all spoilt": [version for version in measured if version.kind != "clean"]}
    for kind in ("light or colour", "neither", "clean"):
        groups[kind] = [version for version in measured if version.kind == kind]
    return {kind: _summary(group, resamples) for kind, group in groups.items() if len(group) > 1}


def _summary(group: Sequence[ToneVersion], resamples: int) -> ToneSummary:
    clean = group[0].kind == "clean"
    gains = [version.psnr_after - version.psnr_before for version in group]
    return ToneSummary(
        versions=len(group),
        farther=float(np.mean([gain < -_FARTHER_DB for gain in gains])),
        psnr_gain=mean_estimate(
            [version.psnr_after for version in group] if clean else gains, resamples=resamples
        ),
        delta_e_before=float(np.mean([version.delta_e_before for version in group])),
        delta_e=mean_estimate([version.delta_e_after for version in group], resamples=resamples),
    )


def tone_table(summaries: Mapping[str, ToneSummary]) -> Table:
    """A row a kind."""
    table = Table(title="Light and colour alone, 95 % intervals")
    for heading in ("faults", "versions", "farther", "PSNR gain, dB", "ΔE2000", "afterwards"):
        table.add_column(heading)
    for kind, group in summaries.items():
        table.add_row(
            kind,
            str(group.versions),
            f"{group.farther:.1%}",
            str(group.psnr_gain),
            f"{group.delta_e_before:.2f}",
            str(group.delta_e),
        )
    table.caption = "of clean photos the PSNR to the original, 60 dB at most"
    return table


def tone(
    data: Data,
    weights: RestoreWeights = Path("weights/restore.safetensors"),
    photos: Annotated[int, typer.Option(min=2, help="Most photos.")] = 140,
    versions: Annotated[int, typer.Option(min=1, help="Spoilt versions of each photo.")] = 4,
    part: PartOption = "validation",
    resamples: Resamples = 1000,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """The network's guess at light and colour alone, on several versions of each photo."""
    torch.set_num_threads(threads)
    network = load_restore_net(weights)
    with StageProgress(progress_console) as progress:
        measured = evaluate_tone(
            part_files(data, part, photos),
            network=network,
            versions=versions,
            advance=progress.advance,
        )
    groups = tone_groups(measured, resamples)
    numbers = {"weights": identity([weights]), "part": part, "groups": groups, "photos": measured}
    show([tone_table(groups)], numbers, None, as_json)
