"""``packshot-eval optimize`` on generated photos: what it counts as better, and as gamed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from packshot.contracts import ATTRIBUTES
from packshot.enhancement import Goals, Mender
from packshot.imaging import DecodedImage
from packshot.policy import Verdict, judge, load_policy
from packshot.training.evaluation.enhancement_fixes import (
    CANDIDATES,
    evaluate_fixes,
    fix_groups,
)
from packshot.training.evaluation.enhancement_outcomes import outcome_table
from packshot.training.evaluation.optimize import (
    OptimizedPhoto,
    evaluate_optimize,
    optimize_groups,
)

Picture = npt.NDArray[np.uint8]


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Two smooth pictures as JPEG."""
    ys, xs = np.mgrid[0:160, 0:160]
    paths = []
    for index in range(2):
        picture = np.stack([90 + 60 * np.sin(xs / 20 + index), 120 + ys / 4, 100 + xs / 4], -1)
        paths.append(tmp_path / f"{index}.jpg")
        Image.fromarray(picture.astype(np.uint8)).save(paths[-1], quality=98)
    return paths


def likes_dark(image: DecodedImage) -> Verdict:
    """A judge that can be gamed: the darker, the better."""
    score = 100.0 - float(image.pixels_hwc_u8.mean()) / 2.55
    values = dict.fromkeys(ATTRIBUTES, 0.9) | {"noise": 0.3}
    return judge(
        score=score,
        uncertainty=1.0,
        attributes=values,
        facts={},
        policy=load_policy("default", None),
    )


def measured(
    photos: list[Path], network: Callable[[Picture, Picture], Picture]
) -> list[OptimizedPhoto]:
    return evaluate_optimize(
        photos,
        judge_photo=likes_dark,
        mend=Mender(network),
        goals=Goals(),
        advance=lambda *_: None,
    )


def test_gamed_judge_is_found_out(photos: list[Path]) -> None:
    results = measured(photos, lambda tiles, _: tiles // 4)
    assert all(photo.outcome.score_rises and not photo.outcome.psnr_rises for photo in results)
    groups = optimize_groups(results, 20)
    assert set(groups) == {
        "all",
        "not passing as they came",
        "changed",
        "changed by restore",
    }
    found = groups["changed"]
    assert (found.score_rises, found.psnr_rises, found.gamed) == (1.0, 0.0, 1.0)
    assert found.psnr_gain.value < -1
    assert found.ssim_gain.value < 0
    assert outcome_table(groups, title="", rows="photos").row_count == len(groups)


def test_network_that_does_nothing_changes_nothing(photos: list[Path]) -> None:
    results = measured(photos, lambda tiles, _: tiles)
    assert all(photo.fixes == () for photo in results)
    assert all(photo.outcome.after == photo.outcome.before for photo in results)
    assert optimize_groups(results, 20)["all"].score_gain.value == 0.0


def test_another_draw_gives_other_faults(photos: list[Path]) -> None:
    def faults(draw: int) -> list[tuple[tuple[str, float], ...]]:
        results = evaluate_optimize(
            photos,
            judge_photo=likes_dark,
            mend=Mender(lambda tiles, _: tiles),
            goals=Goals(),
            advance=lambda *_: None,
            draw=draw,
        )
        return [photo.faults for photo in results]

    drawn = [found for draw in (0, 1) for found in faults(draw)]
    assert len(set(drawn)) == len(drawn)
    assert faults(1) == drawn[2:]


def test_every_fix_is_measured_by_itself(photos: list[Path]) -> None:
    """A network that darkens: this judge likes that whatever finishes it, and no photo passes."""
    tried = evaluate_fixes(
        photos,
        judge_photo=likes_dark,
        network=lambda tiles, _: tiles // 4,
        advance=lambda *_: None,
    )
    groups = fix_groups(tried, 20)
    assert list(groups) == ["not passing as they came"]
    assert list(groups["not passing as they came"]) == list(CANDIDATES)
    detail = groups["not passing as they came"].pop("detail, gentle")
    assert all(found.gamed == 1.0 for found in groups["not passing as they came"].values())
    # It leaves the light alone, and there is nothing else here that the network would change.
    assert abs(detail.psnr_gain.value) < 1.0
    toned, sharp = ([photo.outcomes[name] for photo in tried] for name in ("tone", "sharpened"))
    assert toned != sharp
