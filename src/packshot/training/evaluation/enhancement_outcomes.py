"""What became of spoilt photos: are they better, or only better scored?

Photos of sellers that no training saw are spoilt and written as JPEG. The original tells whether a
rising score means a truer picture.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import typer
from PIL import Image
from rich.table import Table

from packshot.contracts import ATTRIBUTES, LEARNED_ATTRIBUTES
from packshot.enhancement import Judge
from packshot.enhancement.restoration import RestoreFunction
from packshot.imaging import DecodedImage, decode, prepare_decoded
from packshot.models.quality import QualityNet
from packshot.models.restoration import RestoreNet
from packshot.policy import Policy, Verdict, judge
from packshot.training.enhancement.fault_chains import FaultChain
from packshot.training.enhancement.fidelity import PixelArray
from packshot.training.enhancement.photos import split_source
from packshot.training.evaluation.predictions import predict_pictures
from packshot.training.evaluation.restoration import (
    Fidelity,
    evaluation_chain,
    fidelity,
    spread,
)
from packshot.training.metrics import Estimate, mean_estimate
from packshot.training.quality.photos import read_photo

Part = Literal["test", "validation"]

QualityWeights = Annotated[Path, typer.Option(help="Safetensors file of the judge.")]
RestoreWeights = Annotated[Path, typer.Option(help="Safetensors file of the restoration.")]
PartOption = Annotated[
    Part, typer.Option(help="Photos held out, or those that decisions may be made by.")
]

INPUT_QUALITY = 92
"""JPEG quality of the spoilt photos: that the file is one adds next to nothing to their faults."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SpoiltPhoto:
    """A held-out photo with faults.

    Attributes:
        name: Its file.
        chain: Its faults.
        original: [H, W, 3] uint8, without them.
        spoilt: The JPEG file with them, decoded.
        before: Nearness of that file to the original.
    """

    name: str
    chain: FaultChain
    original: PixelArray
    spoilt: DecodedImage
    before: Fidelity


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A spoilt file and what was made of it.

    Attributes:
        score_before: Of the spoilt file.
        score_after: Of the file that came back.
        before: Nearness of the spoilt file to the original.
        after: Nearness of the file that came back.
    """

    score_before: float
    score_after: float
    before: Fidelity
    after: Fidelity

    @property
    def score_rises(self) -> bool:
        """Whether the judge likes it better."""
        return self.score_after > self.score_before

    @property
    def psnr_rises(self) -> bool:
        """Whether it is nearer to the original."""
        return self.after.psnr > self.before.psnr

    @property
    def gamed(self) -> bool:
        """Whether the judge likes it better though it is farther from the original."""
        return self.score_rises and self.after.psnr < self.before.psnr


@dataclass(frozen=True, kw_only=True)
class OutcomeSummary:
    """Shares (0-1) and mean gains over some of the photos.

    Attributes:
        photos: How many.
        score_rises: Share with a higher score.
        psnr_rises: Share nearer to the original.
        gamed: Share with a higher score, yet farther from the original.
        score_gain: Points.
        psnr_gain: dB.
        ssim_gain: Of 0-1.
        delta_e: Mean CIEDE2000 to the original afterwards.
    """

    photos: int
    score_rises: float
    psnr_rises: float
    gamed: float
    score_gain: Estimate
    psnr_gain: Estimate
    ssim_gain: Estimate
    delta_e: Estimate


def part_files(data: Path, part: Part, count: int) -> list[Path]:
    """At most ``count`` sellers' photos of a part, evenly over all."""
    split = split_source(data / "seller_photos")
    files = split.test if part == "test" else split.validation
    return spread(files, count)


def spoil(path: Path, index: int) -> SpoiltPhoto:
    """The photo of a file with the faults of ``evaluation_chain(index)``: two or more."""
    original = read_photo(path)
    chain = evaluation_chain(index)
    buffer = io.BytesIO()
    Image.fromarray(chain.apply(original)).save(buffer, "JPEG", quality=INPUT_QUALITY)
    spoilt = decode(buffer.getvalue())
    return SpoiltPhoto(
        name=path.name,
        chain=chain,
        original=original,
        spoilt=spoilt,
        before=fidelity(spoilt.pixels_hwc_u8, original),
    )


def outcome(
    photo: SpoiltPhoto, after: DecodedImage, *, score_before: float, score_after: float
) -> Outcome:
    """Both files against the original."""
    return Outcome(
        score_before=score_before,
        score_after=score_after,
        before=photo.before,
        after=fidelity(after.pixels_hwc_u8, photo.original),
    )


def summary(outcomes: Sequence[Outcome], resamples: int) -> OutcomeSummary:
    """Shares and mean gains; the outcomes must be two or more."""

    def mean(values: list[float]) -> Estimate:
        return mean_estimate(values, resamples=resamples)

    return OutcomeSummary(
        photos=len(outcomes),
        score_rises=float(np.mean([o.score_rises for o in outcomes])),
        psnr_rises=float(np.mean([o.psnr_rises for o in outcomes])),
        gamed=float(np.mean([o.gamed for o in outcomes])),
        score_gain=mean([o.score_after - o.score_before for o in outcomes]),
        psnr_gain=mean([o.after.psnr - o.before.psnr for o in outcomes]),
        ssim_gain=mean([o.after.ssim - o.before.ssim for o in outcomes]),
        delta_e=mean([o.after.delta_e for o in outcomes]),
    )


def outcome_table(groups: Mapping[str, OutcomeSummary], *, title: str, rows: str) -> Table:
    """A row a group; ``rows`` heads their names."""
    table = Table(title=title)
    headings = (rows, "count", "score rises", "PSNR rises", "gamed", "score gain",
                "PSNR gain, dB", "SSIM gain", "mean ΔE2000")  # fmt: skip
    for heading in headings:
        table.add_column(heading)
    for name, group in groups.items():
        shares = (group.score_rises, group.psnr_rises, group.gamed)
        means = (group.score_gain, group.psnr_gain, group.ssim_gain, group.delta_e)
        table.add_row(
            name, str(group.photos), *(f"{share:.0%}" for share in shares), *map(str, means)
        )
    table.caption = "gamed: the score rises, and the picture is farther from the original"
    return table


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
