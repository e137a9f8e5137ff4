"""The loop: score, choose a fix by the failing attributes, apply it, score again.

It must not game its own judge, so:

- What is judged is the encoded file that would be returned, decoded again, at the input's size:
  not pixels that nobody gets, and not a smaller picture, which would hide its faults.
- Fixes come from a short list, chosen by what fails, and the first that helps is kept: the
  picture nearest to the network's own comes before sharper ones. Nothing is searched, and no
  parameter is tuned by the score.
- A fix is kept only if the score rises, the decision is no worse, and no attribute that did not
  stand against the photo now does.
- If nothing is kept, the input comes back as it was.

The next round works on the kept pixels before they were encoded, so that losses do not add up.

The JSON of the ``STEPS`` tensor:

    {"schema": 1, "changed": bool, "stopped": "passes|nothing_to_mend|no_fix_left|rounds",
     "steps": [{"fix": "tone|restore|detail", "finish": "gentle|crisp|grainy" or null,
                "because": [attribute], "score": 0-100, "gain": points, "kept": bool,
                "why": "better|no_gain|worse_decision|new_fault", "new_faults": [attribute]}],
     "beyond_repair": [{"cause", "advice", "attribute", "text": {"en", "zh"}}]}
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from packshot.contracts import DECISIONS
from packshot.enhancement.faults import BeyondRepair, beyond_repair
from packshot.enhancement.fixes import (
    Attempt,
    FinishName,
    Fix,
    attempts_for,
    blamed_attributes,
    failing_attributes,
    passes,
)
from packshot.imaging.decode import DecodedImage, decode
from packshot.imaging.encoding import EncodedImage
from packshot.policy import Verdict

PixelArray = npt.NDArray[np.uint8]

Judge = Callable[[DecodedImage], Verdict]
"""Scores a decoded photo under the policy that was asked for."""

ApplyFix = Callable[[Attempt, PixelArray], PixelArray]
Encode = Callable[[PixelArray], EncodedImage]

Stopped = Literal["passes", "nothing_to_mend", "no_fix_left", "rounds"]
Why = Literal["better", "no_gain", "worse_decision", "new_fault"]

SCHEMA: Final = 1


@dataclass(frozen=True, kw_only=True)
class Goals:
    """When to stop, and what a fix must bring.

    Attributes:
        max_rounds: Most attempts.
        min_gain: Least rise of the score, in points, for a fix to be kept.
    """

    max_rounds: int = 8
    min_gain: float = 0.1

    def __post_init__(self) -> None:
        if self.max_rounds < 1:
            raise ValueError(f"max_rounds must be 1 or more, got {self.max_rounds}")
        if not 0 < self.min_gain <= 100:
            raise ValueError(f"min_gain must be above 0 and at most 100, got {self.min_gain}")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One fix that was tried.

    Attributes:
        fix: Which.
        finish: How the network's picture was finished, if it was.
        because: The failing attributes it was chosen by.
        score: Of the photo after it.
        gain: Against the best photo so far.
        kept: Whether it is in the result.
        why: What decided that.
        new_faults: Attributes that alone keep the photo from being accepted after it, and did
            not before: new advice is none.
    """

    fix: Fix
    finish: FinishName | None
    because: tuple[str, ...]
    score: float
    gain: float
    kept: bool
    why: Why
    new_faults: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Optimized:
    """What the loop found.

    Attributes:
        image: The best file; None where the input itself is best.
        pixels_hwc_u8: [H, W, 3] uint8: its pixels before encoding.
        before: Verdict on the input.
        after: Verdict on the best file; ``before`` itself where the input is best.
        steps: In the order tried.
        stopped: Why the loop ended.
        beyond_repair: What no fix can mend.
    """

    image: EncodedImage | None
    pixels_hwc_u8: PixelArray
    before: Verdict
    after: Verdict
    steps: tuple[Step, ...]
    stopped: Stopped
    beyond_repair: tuple[BeyondRepair, ...]

    def steps_json(self) -> str:
        """The content of the ``STEPS`` tensor."""
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "changed": self.image is not None,
            "stopped": self.stopped,
            "steps": [asdict(step) for step in self.steps],
            "beyond_repair": [fault.to_dict() for fault in self.beyond_repair],
        }
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


_DEFAULT_GOALS: Final = Goals()


def optimize(
    photo: DecodedImage,
    *,
    judge: Judge,
    apply_fix: ApplyFix,
    encode: Encode,
    goals: Goals = _DEFAULT_GOALS,
) -> Optimized:
    """Mend a photo until it passes or no fix helps.

    Args:
        photo: The input.
        judge: Scores.
        apply_fix: Mends.
        encode: Writes the file that is judged and returned, without changing the size.
        goals: When to stop.

    Returns:
        The best photo found; its score is never below the input's.
    """
    before = best = judge(photo)
    pixels = photo.pixels_hwc_u8
    image: EncodedImage | None = None
    kept: frozenset[Fix] = frozenset()
    tried: set[Attempt] = set()
    steps: list[Step] = []
    while True:
        waiting = [attempt for attempt in attempts_for(best, kept) if attempt not in tried]
        if passes(best) or not waiting or len(steps) == goals.max_rounds:
            break
        attempt = waiting[0]
        candidate = apply_fix(attempt, pixels)
        encoded = encode(candidate)
        verdict = judge(decode(encoded.data))
        step = _weighed(attempt, verdict, best, goals)
        steps.append(step)
        tried.add(attempt)
        if step.kept:
            best, pixels, image = verdict, candidate, encoded
            kept, tried = kept | {attempt.fix}, set()
    return Optimized(
        image=image,
        pixels_hwc_u8=pixels,
        before=before,
        after=best,
        steps=tuple(steps),
        stopped=_stop_reason(best, steps, waiting),
        beyond_repair=beyond_repair(before, best),
    )


def _stop_reason(best: Verdict, steps: list[Step], waiting: list[Attempt]) -> Stopped:
    if passes(best):
        return "passes"
    if waiting:
        return "rounds"
    return "no_fix_left" if steps else "nothing_to_mend"


def _weighed(attempt: Attempt, verdict: Verdict, best: Verdict, goals: Goals) -> Step:
    gain = verdict.score - best.score
    new_faults = tuple(sorted(blamed_attributes(verdict) - blamed_attributes(best)))
    why: Why = "better"
    if gain < goals.min_gain:
        why = "no_gain"
    elif DECISIONS.index(verdict.decision) > DECISIONS.index(best.decision):
        why = "worse_decision"
    elif new_faults:
        why = "new_fault"
    return Step(
        fix=attempt.fix,
        finish=attempt.finish,
        because=tuple(sorted(failing_attributes(best))),
        score=round(verdict.score, 2),
        gain=round(gain, 2),
        kept=why == "better",
        why=why,
        new_faults=new_faults,
    )
