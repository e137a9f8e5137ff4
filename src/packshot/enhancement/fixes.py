"""Which fix a photo calls for, told from the attributes that fail, and applying it."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from packshot.enhancement.caution import Caution, part_way, tone_change
from packshot.enhancement.finishing import Finish, finished
from packshot.enhancement.restoration import (
    RESTORE_TILING,
    RestoreFunction,
    restore,
    restore_tone,
)
from packshot.imaging.tiling import Tiling
from packshot.policy import Verdict

PixelArray = npt.NDArray[np.uint8]

Fix = Literal["tone", "restore", "detail"]
FinishName = Literal["gentle", "crisp", "grainy"]

TONAL: Final = frozenset({"exposure", "contrast", "colour"})
DETAIL: Final = frozenset({"sharpness", "noise", "compression"})
MENDABLE: Final = TONAL | DETAIL
"""Attributes that restoring can raise. ``resolution`` is not one: enlarging invents no detail."""

FINISHES: Final[dict[FinishName, Finish]] = {
    "gentle": Finish(own_detail=0.1, nearest_db=50.0),
    "crisp": Finish(own_detail=0.25),
    "grainy": Finish(own_detail=0.5),
}
"""How the network's picture is finished by the fixes that mend detail, nearest to it first."""

CAUTION: Final = Caution()
"""How far every fix but ``detail`` follows the network in light and colour. How it was chosen:
docs/enhancement.md."""


class Attempt(NamedTuple):
    """One way of mending a photo.

    Attributes:
        fix: What is mended.
        finish: How the network's picture is finished; None for ``tone``, which has none of it.
    """

    fix: Fix
    finish: FinishName | None


def failing_attributes(verdict: Verdict) -> frozenset[str]:
    """The attributes that the policy holds against the photo, if only as advice."""
    return frozenset(reason.attribute for reason in verdict.reasons if reason.attribute is not None)


def blamed_attributes(verdict: Verdict) -> frozenset[str]:
    """The attributes that alone keep the photo from being accepted: more than advice."""
    return frozenset(
        reason.attribute
        for reason in verdict.reasons
        if reason.attribute is not None and reason.severity != "advise"
    )


def passes(verdict: Verdict) -> bool:
    """Whether the photo is accepted and no attribute that could be mended is low."""
    return verdict.decision == "accept" and not failing_attributes(verdict) & MENDABLE


def fixes_for(verdict: Verdict, kept: frozenset[Fix] = frozenset()) -> tuple[Fix, ...]:
    """The fixes worth trying, best first.

    Where only light and colour fail, the detail of the product is left alone at first. Else the
    whole restoration is tried, and then detail at the photo's own light: what is wrong with a
    restoration that is dropped is mostly its guess at light.

    Args:
        verdict: On the photo as it is.
        kept: Fixes that are in the photo already. Light and detail are mended once each: a second
            time would overshoot, or smooth what is left.

    Returns:
        No fix for a photo that passes, or whose faults no fix speaks to.
    """
    if passes(verdict):
        return ()
    failing = failing_attributes(verdict)
    tonal, detail = bool(failing & TONAL), bool(failing & DETAIL)
    # Several mild faults at once may lower the score and none of the attributes.
    scored_low = any(reason.rule.startswith("score.") for reason in verdict.reasons)
    if not (tonal or detail or scored_low):
        return ()
    if kept:
        return ("detail",) if kept == {"tone"} else ()
    if tonal and not detail:
        return ("tone", "restore", "detail")
    if detail and not tonal:
        return ("restore", "detail")
    return ("restore", "detail", "tone")


def attempts_for(verdict: Verdict, kept: frozenset[Fix] = frozenset()) -> tuple[Attempt, ...]:
    """The fixes of ``fixes_for``, each in all its ways."""
    return tuple(attempt for fix in fixes_for(verdict, kept) for attempt in attempts_of(fix))


def attempts_of(fix: Fix) -> tuple[Attempt, ...]:
    """A fix that mends detail, with each finish in turn; ``tone`` by itself."""
    if fix == "tone":
        return (Attempt(fix, None),)
    return tuple(Attempt(fix, finish) for finish in FINISHES)


class Mender:
    """Applies fixes with one restoration network.

    Args:
        network: The restoration network.
        tiling: How pictures are cut for it.
    """

    def __init__(self, network: RestoreFunction, tiling: Tiling = RESTORE_TILING) -> None:
        self._network = network
        self._tiling = tiling
        self._toned: tuple[PixelArray, PixelArray, float] | None = None
        self._restored: PixelArray | None = None

    def __call__(self, attempt: Attempt, image_hwc_u8: PixelArray) -> PixelArray:
        """The photo after one fix, [H, W, 3] uint8, of the same size."""
        # Fixes of one photo follow each other, and each begins alike: seconds at 12 megapixels.
        if self._toned is None or self._toned[0] is not image_hwc_u8:
            whole = restore_tone(image_hwc_u8, self._network)
            self._toned = (image_hwc_u8, whole, CAUTION.share(tone_change(image_hwc_u8, whole)))
            self._restored = None
        _, whole, cautious = self._toned
        share = 0.0 if attempt.fix == "detail" else cautious
        toned = part_way(whole, image_hwc_u8, whole, share)
        if attempt.finish is None:
            return toned
        if self._restored is None:
            self._restored = restore(image_hwc_u8, self._network, tiling=self._tiling)
        restored = part_way(self._restored, image_hwc_u8, whole, share)
        return finished(toned, restored, FINISHES[attempt.finish])
