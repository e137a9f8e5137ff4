"""The report of ``packshot optimize``, and the comparisons in it."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from packshot.enhancement import Attempt, Fix, Step
from packshot.enhancement.fixes import attempts_of
from packshot_client import ImageSourceError, OptimizationStep, OptimizedPicture
from packshot_client._outputs import decoded
from packshot_client._picture_answers import optimized_results
from packshot_client._results import Language
from packshot_client.comparisons import comparisons, most_changed
from packshot_client.optimization_report import (
    OptimizationContext,
    optimization_html,
    step_words,
)
from packshot_client.pictures import MadePicture

CONTEXT = OptimizationContext(policy="google", server="host:1", made_at=datetime(2026, 1, 2, 3, 4))


@pytest.fixture
def result(optimized: Any) -> OptimizedPicture:
    return optimized_results(optimized)[0]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A large photo, and the same with one bright patch."""
    before = np.full((900, 1200, 3), 90, np.uint8)
    after = before.copy()
    after[600:700, 800:1000] = 200
    paths = tmp_path / "<b>before.png", tmp_path / "after.png"
    for path, pixels in zip(paths, (before, after), strict=True):
        Image.fromarray(pixels).save(path)
    return paths


def html_of(*made: MadePicture[OptimizedPicture], **changes: Any) -> str:
    return optimization_html(made, dataclasses.replace(CONTEXT, **changes))


def made(result: OptimizedPicture, pair: tuple[Path, Path]) -> MadePicture[OptimizedPicture]:
    return MadePicture(path=pair[0], result=result, out=pair[1])


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    found = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, dict(attrs)))

    Parser().feed(html)
    return found


def test_the_report_says_what_was_done(result: OptimizedPicture, pair: tuple[Path, Path]) -> None:
    html = html_of(made(result, pair))
    for words in (
        *("61.5", "70.0", "+8.5", "google", "host:1", "optimize 1", "2026-01-02 03:04"),
        *(
            "restoration (little sharpened) for exposure, noise: kept",
            "Step back.",
            "The picture passes.",
        ),
        "light and colour for exposure, noise: dropped, as it gains too little",
        "&lt;b&gt;before.png",
    ):
        assert words in html
    assert "<b>before.png" not in html


def test_the_report_needs_nothing_from_outside(
    result: OptimizedPicture, pair: tuple[Path, Path]
) -> None:
    html = html_of(made(result, pair))
    found = tags(html)
    sources = [str(attributes["src"]) for _, attributes in found if "src" in attributes]
    assert len(sources) == 4
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not {"link", "iframe", "object"} & {tag for tag, _ in found}
    assert not any("href" in attributes for _, attributes in found)
    assert not re.search(r"url\(|@import|https?://", html)


def test_every_comparison_has_a_slider_that_can_be_reached(
    result: OptimizedPicture, pair: tuple[Path, Path]
) -> None:
    sliders = [
        attributes
        for tag, attributes in tags(html_of(made(result, pair)))
        if tag == "input" and attributes["type"] == "range"
    ]
    assert len(sliders) == 2
    assert all(slider["aria-label"] for slider in sliders)


def test_what_was_not_changed_has_no_slider(
    result: OptimizedPicture, pair: tuple[Path, Path]
) -> None:
    same = dataclasses.replace(result, changed=False, after=result.before, steps=())
    html = html_of(made(same, pair))
    assert 'type="range"' not in html
    assert "Nothing was tried." in html


def test_failures_and_chinese(result: OptimizedPicture, pair: tuple[Path, Path]) -> None:
    failed = MadePicture[OptimizedPicture](path=Path("bad.jpg"), error=ImageSourceError("<i>no"))
    html = html_of(failed, made(result, pair), language="zh")
    assert "&lt;i&gt;no" in html
    assert "请后退。" in html
    assert "修复（轻微锐化） 针对 曝光、噪点：采用" in html
    assert html_of(failed)
    assert html_of()


def test_the_detail_is_where_most_has_changed(pair: tuple[Path, Path]) -> None:
    whole, detail = comparisons(*pair)
    assert (whole.width, whole.height) == (1200, 900)
    assert (detail.width, detail.height) == (480, 240)
    data = base64.b64decode(detail.after.partition(",")[2])
    with Image.open(io.BytesIO(data)) as opened:
        # All of the patch of 200 x 100 is in the detail.
        bright = (np.asarray(opened.convert("L")) > 145).sum()
    assert bright == pytest.approx(200 * 100, rel=0.03)


@pytest.mark.parametrize("size", [(1, 1), (30, 2000), (2000, 30), (480, 240)])
def test_pictures_of_any_shape_have_a_detail(size: tuple[int, int]) -> None:
    left, upper, right, lower = most_changed(
        Image.new("RGB", size), Image.new("RGB", size, "white"), (480, 240)
    )
    assert 0 <= left < right <= size[0]
    assert 0 <= upper < lower <= size[1]


def test_what_cannot_be_compared_is_not(pair: tuple[Path, Path], tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    Image.new("RGB", (20, 20)).save(small)
    assert comparisons(pair[0], small) == []
    assert comparisons(pair[0], tmp_path / "missing.png") == []


ATTEMPTS = [attempt for fix in get_args(Fix) for attempt in attempts_of(fix)]


@pytest.mark.parametrize("attempt", ATTEMPTS)
@pytest.mark.parametrize("language", get_args(Language))
def test_every_attempt_of_the_server_has_words(attempt: Attempt, language: Language) -> None:
    sent = Step(
        **attempt._asdict(), because=("noise",), score=50.0, gain=1.0, kept=True, why="better"
    )
    received = decoded(json.dumps(dataclasses.asdict(sent)).encode(), OptimizationStep, "STEPS")
    assert Attempt(received.fix, received.finish) == attempt
    words = [
        step_words(dataclasses.replace(received, **other._asdict()), language) for other in ATTEMPTS
    ]
    assert words.count(step_words(received, language)) == 1
