"""The HTML report of ``packshot optimize``: each photo before and after, and what was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from packshot.contracts import ATTRIBUTES, DECISIONS
from packshot_client._pictures import OptimizationStep, OptimizedPicture
from packshot_client._results import Language
from packshot_client.comparisons import WHOLE_SIDE, comparisons
from packshot_client.pages import common_folder, name_below, page
from packshot_client.pictures import MadePicture
from packshot_client.thumbnails import thumbnail_uri
from packshot_client.wording import WORDS


@dataclass(frozen=True, kw_only=True)
class OptimizationContext:
    """What the report's header says.

    Attributes:
        policy: Name of the policy asked for.
        server: Address that optimized.
        made_at: When.
        language: Of all words.
    """

    policy: str
    server: str
    made_at: datetime
    language: Language = "en"


def optimization_html(
    made: Sequence[MadePicture[OptimizedPicture]], context: OptimizationContext
) -> str:
    """The report as one self-contained HTML document.

    Its sliders need the few lines of JavaScript in it; without, both pictures lie side by side.

    Args:
        made: In the order of the report; the files of its pictures are read.
        context: What the header says.
    """
    results = [one.result for one in made if one.result]
    changed = [result for result in results if result.changed]
    folder = common_folder([one.path for one in made])
    return page(
        "optimization.html",
        words=WORDS[context.language],
        language=context.language,
        policy=context.policy,
        server=context.server,
        models=", ".join(sorted({f"{result.model} {result.model_version}" for result in results})),
        made_at=context.made_at.strftime("%Y-%m-%d %H:%M"),
        total=len(made),
        improved=len(changed),
        mean_rise=sum(result.gain for result in changed) / len(changed) if changed else None,
        accepted_before=sum(result.before.decision == DECISIONS[0] for result in results),
        accepted_after=sum(result.after.decision == DECISIONS[0] for result in results),
        cards=[
            _card(one.path, one.out, one.result, folder, context.language)
            for one in made
            if one.result and one.out
        ],
        failures=[
            {"name": name_below(one.path, folder), "message": one.error.message}
            for one in made
            if one.error
        ],
    )


def _card(
    path: Path, out: Path, result: OptimizedPicture, folder: Path | None, language: Language
) -> dict[str, Any]:
    before, after = result.before.attributes.as_dict(), result.after.attributes.as_dict()
    return {
        "name": name_below(path, folder),
        "out": str(out),
        "result": result,
        "comparisons": comparisons(path, out) if result.changed else [],
        "thumbnail": None if result.changed else thumbnail_uri(out, WHOLE_SIDE),
        "attributes": [(name, before[name], after[name]) for name in ATTRIBUTES],
        "steps": [
            {"kept": step.kept, "text": step_words(step, language), "gain": step.gain}
            for step in result.steps
        ],
        # Several faults can share their words.
        "beyond_repair": list(
            dict.fromkeys(fault.text.in_language(language) for fault in result.beyond_repair)
        ),
        "reasons": [
            {"text": reason.message.in_language(language), "severity": reason.severity}
            for reason in result.after.reasons
        ],
    }


def step_words(step: OptimizationStep, language: Language) -> str:
    """What was tried, for what, and what came of it."""
    words = WORDS[language]
    comma, colon = ("、", "：") if language == "zh" else (", ", ": ")
    causes = comma.join(words[name] for name in step.because)
    new = comma.join(words[name] for name in step.new_faults)
    why = words[f"why_{step.why}"] + (f" ({new})" if new else "")
    target = f" {words['because']} {causes}" if causes else ""
    return f"{fix_words(step, language)}{target}{colon}{why}"


def fix_words(step: OptimizationStep, language: Language) -> str:
    """A fix, and how its picture was finished."""
    words = WORDS[language]
    if step.finish is None:
        return words[f"fix_{step.fix}"]
    left, right = ("（", "）") if language == "zh" else (" (", ")")
    return f"{words[f'fix_{step.fix}']}{left}{words[f'finish_{step.finish}']}{right}"
