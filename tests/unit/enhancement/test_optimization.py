"""The loop with real policies and real encoding; the scores are the tests' own."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from packshot.contracts import ATTRIBUTES
from packshot.enhancement import (
    Attempt,
    Fix,
    Goals,
    Mender,
    Optimized,
    attempts_for,
    optimize,
)
from packshot.enhancement.faults import UNMENDABLE
from packshot.enhancement.fixes import FINISHES, MENDABLE, FinishName, attempts_of, fixes_for
from packshot.imaging import DecodedImage, OutputOptions, decode, encode, prepare_decoded
from packshot.policy import Verdict, judge, load_policy
from packshot.policy.texts import advice_texts

Picture = npt.NDArray[np.uint8]


def verdict(score: float = 80.0, policy: str = "default", **attributes: float) -> Verdict:
    values = dict.fromkeys(ATTRIBUTES, 0.9) | attributes
    return judge(
        score=score, uncertainty=3.0, attributes=values, facts={}, policy=load_policy(policy, None)
    )


@pytest.fixture
def photo() -> DecodedImage:
    """Mid-grey, so that a brighter and a darker one can be told apart after JPEG."""
    buffer = BytesIO()
    Image.fromarray(np.full((64, 64, 3), 100, np.uint8)).save(buffer, "JPEG", quality=95)
    return decode(buffer.getvalue())


LEVELS: dict[Fix, int] = {"tone": 130, "restore": 160, "detail": 190}
FINISH_LEVELS: dict[FinishName | None, int] = {None: 0, "gentle": 0, "crisp": 5, "grainy": 10}
"""What each attempt makes of the photo here: a level of grey, which the judge below reads back."""


def by_level(judged: dict[int, Verdict], image: DecodedImage) -> Verdict:
    level = float(image.pixels_hwc_u8.mean())
    return judged[min(judged, key=lambda known: abs(known - level))]


def run(
    photo: DecodedImage, judged: dict[int, Verdict], goals: Goals | None = None
) -> tuple[Optimized, list[Attempt]]:
    """``judged``: the verdict by the grey level of the file that is shown to the judge."""
    applied: list[Attempt] = []

    def apply_fix(attempt: Attempt, image: Picture) -> Picture:
        applied.append(attempt)
        return np.full_like(image, LEVELS[attempt.fix] + FINISH_LEVELS[attempt.finish])

    result = optimize(
        photo,
        judge=lambda image: by_level(judged, image),
        apply_fix=apply_fix,
        encode=lambda pixels: encode(pixels, OutputOptions(), "JPEG"),
        goals=goals or Goals(),
    )
    return result, applied


@pytest.mark.parametrize(
    ("failing", "first"),
    [
        ({"exposure": 0.2}, "tone"),
        ({"contrast": 0.1, "colour": 0.3}, "tone"),
        ({"noise": 0.2}, "restore"),
        ({"sharpness": 0.3, "exposure": 0.1}, "restore"),
        ({"compression": 0.2}, "restore"),
    ],
)
def test_fix_is_chosen_by_what_fails(failing: dict[str, float], first: Fix) -> None:
    assert fixes_for(verdict(50.0, **failing))[0] == first


def test_no_fix_for_what_passes_or_cannot_be_mended() -> None:
    assert fixes_for(verdict(80.0)) == ()
    assert fixes_for(verdict(80.0, resolution=0.1)) == ()
    assert fixes_for(verdict(80.0, composition=0.1)) == ()


def test_low_score_without_a_reason_is_worth_a_try() -> None:
    every = ("restore", "detail", "tone")
    assert fixes_for(verdict(30.0)) == every
    assert fixes_for(verdict(30.0, composition=0.1)) == every
    # Few pixels cannot be mended, but what else lowers the score may be.
    assert fixes_for(verdict(30.0, resolution=0.1)) == every


def test_nothing_is_applied_twice() -> None:
    bad = verdict(40.0, noise=0.2, exposure=0.2)
    assert fixes_for(bad, frozenset({"restore"})) == ()
    assert fixes_for(bad, frozenset({"detail"})) == ()
    # Light is mended, right or not: detail is left.
    for toned in (bad, verdict(40.0, exposure=0.2), verdict(40.0)):
        assert fixes_for(toned, frozenset({"tone"})) == ("detail",)


def test_detail_comes_at_the_photos_own_light_where_restoring_is_dropped() -> None:
    for bad in (verdict(40.0, noise=0.2), verdict(40.0, exposure=0.2), verdict(40.0)):
        fixes = fixes_for(bad)
        assert fixes.index("detail") > fixes.index("restore")


def test_photo_that_passes_is_left_alone(photo: DecodedImage) -> None:
    result, applied = run(photo, {100: verdict(85.0)})
    assert (result.image, applied, result.stopped) == (None, [], "passes")
    assert result.after is result.before


def test_fix_that_helps_is_kept(photo: DecodedImage) -> None:
    result, applied = run(photo, {100: verdict(45.0, exposure=0.2), 130: verdict(75.0)})
    assert applied == [Attempt("tone", None)]
    assert result.stopped == "passes"
    assert (result.before.score, result.after.score) == (45.0, 75.0)
    assert result.image is not None
    assert decode(result.image.data).pixels_hwc_u8.mean() == pytest.approx(130, abs=1)
    assert result.steps[0].why == "better"
    assert result.steps[0].because == ("exposure",)


def test_rounds_build_on_each_other(photo: DecodedImage) -> None:
    shown: list[float] = []

    def apply_fix(attempt: Attempt, image: Picture) -> Picture:
        shown.append(float(image.mean()))
        return image + np.uint8({"tone": 30, "restore": 60, "detail": 55}[attempt.fix])

    judged = {
        100: verdict(40.0, noise=0.2, exposure=0.2),
        130: verdict(55.0, noise=0.2),
        160: verdict(30.0, noise=0.2),
        190: verdict(80.0),
    }
    result = optimize(
        photo,
        judge=lambda image: by_level(judged, image),
        apply_fix=apply_fix,
        encode=lambda pixels: encode(pixels, OutputOptions(), "JPEG"),
    )
    assert [step.fix for step in result.steps if step.kept] == ["tone", "detail"]
    assert shown == pytest.approx([100] * 7 + [130], abs=1)
    assert result.after.score == 80.0


def test_fix_that_harms_gives_way_to_the_next(photo: DecodedImage) -> None:
    bad = verdict(45.0, noise=0.2)
    result, applied = run(photo, {100: bad, 160: verdict(30.0, noise=0.2), 190: verdict(70.0)})
    assert applied == [*attempts_of("restore"), Attempt("detail", "gentle")]
    assert [step.why for step in result.steps] == ["no_gain"] * 3 + ["better"]
    assert result.after.score == 70.0


def test_sharper_finish_only_where_the_gentle_one_does_not_help(photo: DecodedImage) -> None:
    bad, good = verdict(45.0, noise=0.2), verdict(70.0)
    crisp, applied = run(photo, {100: bad, 160: bad, 165: good})
    assert applied == [Attempt("restore", "gentle"), Attempt("restore", "crisp")]
    assert [(step.finish, step.kept) for step in crisp.steps] == [
        ("gentle", False),
        ("crisp", True),
    ]
    _, applied = run(photo, {100: bad, 160: verdict(60.0, noise=0.2), 165: good})
    assert applied == [Attempt("restore", "gentle")]


def test_input_comes_back_when_nothing_helps(photo: DecodedImage) -> None:
    bad = verdict(45.0, noise=0.2)
    worse = verdict(44.0, noise=0.1)
    result, _ = run(photo, {100: bad, 160: worse, 190: worse})
    assert result.image is None
    assert result.after is result.before
    assert result.pixels_hwc_u8 is photo.pixels_hwc_u8
    assert result.stopped == "no_fix_left"


def test_gain_too_small_to_see_does_not_count(photo: DecodedImage) -> None:
    bad = verdict(45.0, noise=0.2)
    levels = {100: bad, 160: verdict(45.05, noise=0.2), 190: verdict(45.05, noise=0.2)}
    assert run(photo, levels)[0].image is None
    assert run(photo, levels, Goals(min_gain=0.01))[0].image is not None


def test_score_may_not_be_bought_with_a_new_fault(photo: DecodedImage) -> None:
    """A judge that likes smooth pictures must not get them at the price of sharpness."""
    bad = verdict(45.0, noise=0.2)
    gamed = verdict(75.0, sharpness=0.3)
    result, _ = run(photo, {100: bad, 160: gamed, 190: gamed})
    assert result.image is None
    assert {step.why for step in result.steps} == {"new_fault"}
    assert result.steps[0].new_faults == ("sharpness",)


def test_new_advice_is_no_new_fault(photo: DecodedImage) -> None:
    """A little under where advice begins is not held against a photo that is better by far."""
    result, _ = run(photo, {100: verdict(45.0, noise=0.2), 160: verdict(75.0, compression=0.45)})
    assert result.after.score == 75.0
    assert result.steps[0].new_faults == ()


def test_rounds_are_limited(photo: DecodedImage) -> None:
    bad = verdict(45.0, noise=0.2, exposure=0.2)
    result, applied = run(photo, {100: bad, 160: bad, 190: bad, 130: bad}, Goals(max_rounds=2))
    assert len(applied) == 2
    assert result.stopped == "rounds"


def test_rounds_suffice_for_every_attempt_and_detail_after_tone(photo: DecodedImage) -> None:
    bad = verdict(45.0, noise=0.2, exposure=0.2)
    worse = verdict(40.0, noise=0.2, exposure=0.2)
    _, applied = run(photo, {100: bad, 130: verdict(50.0, noise=0.2), 160: worse, 195: worse})
    assert applied == [*attempts_for(bad), Attempt("detail", "gentle")]


def test_never_below_the_input(photo: DecodedImage) -> None:
    rng = np.random.default_rng(7)
    for _ in range(200):
        judged = {
            level: verdict(
                float(rng.uniform(0, 100)), **{name: float(rng.uniform()) for name in MENDABLE}
            )
            for level in (100, 130, 160, 190)
        }
        result, _ = run(photo, judged)
        assert result.after.score >= result.before.score


def test_every_advice_is_either_mendable_or_known_here() -> None:
    """A new advice must not be left out of what is said."""
    for subject, entries in advice_texts().items():
        for entry in entries:
            mendable = subject.removeprefix("attribute.") in MENDABLE
            assert mendable or entry.cause in UNMENDABLE or subject == "score", entry.cause


CAUSES = {
    "out_of_focus": {"sharpness": 0.1},
    "few_pixels": {"resolution": 0.1},
    "arrangement": {"composition": 0.1},
    "still_low": {"noise": 0.1},
}


@pytest.mark.parametrize(("cause", "attributes"), CAUSES.items(), ids=CAUSES)
def test_what_cannot_be_mended_is_said(
    photo: DecodedImage, cause: str, attributes: dict[str, float]
) -> None:
    result, _ = run(photo, {100: verdict(45.0, **attributes)})
    assert [fault.cause for fault in result.beyond_repair] == [cause]
    assert result.beyond_repair[0].text.en
    assert result.beyond_repair[0].text.zh


def test_product_cut_off_is_said(make_cut_off: Callable[[], DecodedImage]) -> None:
    image = make_cut_off()
    facts = prepare_decoded(image).facts
    values = dict.fromkeys(ATTRIBUTES, 0.9)
    cut = judge(
        score=80.0,
        uncertainty=3.0,
        attributes=values,
        facts=facts,
        policy=load_policy("default", None),
    )
    result, _ = run(image, {0: cut, 255: cut})
    assert "cut_off" in {fault.cause for fault in result.beyond_repair}


def test_blur_beyond_repair_stays_said_when_the_network_sharpened(photo: DecodedImage) -> None:
    result, _ = run(photo, {100: verdict(30.0, sharpness=0.1), 160: verdict(80.0)})
    assert result.after.score == 80.0
    assert [fault.cause for fault in result.beyond_repair] == ["out_of_focus"]


def test_steps_as_json(photo: DecodedImage) -> None:
    result, _ = run(photo, {100: verdict(45.0, exposure=0.2), 130: verdict(75.0)})
    content = json.loads(result.steps_json())
    assert content["changed"] is True
    assert content["steps"][0]["fix"] == "tone"
    assert content["steps"][0]["gain"] == 30.0
    assert content["beyond_repair"] == []


def test_mender_restores_a_photo_once() -> None:
    shapes: list[tuple[int, ...]] = []

    def network(tiles: Picture, _: Picture) -> Picture:
        shapes.append(tiles.shape[1:3])
        return tiles + np.uint8(40)

    mend = Mender(network)
    image = np.full((100, 100, 3), 100, np.uint8)
    restored = Attempt("restore", "gentle")
    wanted = [(restored, 140), (Attempt("detail", "crisp"), 100), (Attempt("tone", None), 140)]
    for attempt, level in (*wanted, (restored._replace(finish="grainy"), 140)):
        np.testing.assert_allclose(mend(attempt, image), level, atol=1)
    # The photo, and the thumbnail that tells the tone.
    assert shapes == [(224, 224), (128, 128)]
    mend(restored, image.copy())
    assert shapes == 2 * [(224, 224), (128, 128)]


@pytest.mark.parametrize("finish", FINISHES)
@pytest.mark.parametrize(("fix", "light"), [("restore", 30), ("detail", 0)])
def test_some_of_the_photos_own_detail_stays(fix: Fix, light: int, finish: FinishName) -> None:
    """At the restored tone, or with ``detail`` at the photo's own."""
    ramp = np.linspace(20, 200, 224, dtype=np.uint8)
    image = np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (224, 224, 3)))
    image[100:124, 100:124] += np.uint8(20)

    def network(tiles: Picture, _: Picture) -> Picture:
        """Everything brighter by 30, and the patch brought back to its surroundings."""
        restored = tiles + np.uint8(30)
        restored[:, 100:124, 100:124] -= np.uint8(20)
        return restored

    mended = Mender(network)(Attempt(fix, finish), image).astype(int) - image
    own = 20 * FINISHES[finish].own_detail
    assert mended[:90].mean() == pytest.approx(light, abs=1.5)
    assert mended[100:124, 100:124].mean() == pytest.approx(light - 20 + own, abs=1.5)


@pytest.fixture
def make_cut_off() -> Callable[[], DecodedImage]:
    """A product that reaches over the edge of a white picture."""

    def make() -> DecodedImage:
        pixels = np.full((400, 400, 3), 255, np.uint8)
        pixels[150:400, 120:280] = (30, 60, 140)
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        return decode(buffer.getvalue())

    return make


@pytest.mark.parametrize("wrong", [{"max_rounds": 0}, {"min_gain": 0.0}, {"min_gain": 101.0}])
def test_goals_that_cannot_work(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Goals(**wrong)  # type: ignore[arg-type]
