"""Faults that no software can mend: they are said, with the way out, and not painted over."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from packshot.enhancement.fixes import MENDABLE
from packshot.policy import Text, Verdict

OUT_OF_FOCUS_BELOW: Final = 0.2
"""Sharpness under which the detail is gone: what a network would put there is invented."""

_TEXTS: Final[dict[str, Text]] = {
    "out_of_focus": Text(
        en="The photo is too blurred to be repaired: detail that the lens did not catch cannot be "
        "brought back. Shoot again: tap the product to focus, hold still, add light.",
        zh="图片过于模糊,无法修复:镜头没有拍到的细节无法还原。请重新拍摄:点按商品对焦、拿稳手机并增加光线。",
    ),
    "cut_off": Text(
        en="The product reaches the edge of the picture: the missing part cannot be added. Step "
        "back and shoot again.",
        zh="商品碰到了图片边缘,缺失的部分无法补上。请后退一些重新拍摄。",
    ),
    "few_pixels": Text(
        en="The picture has too little detail for its use, and enlarging adds none. Upload the "
        "camera's original, or step closer and shoot again.",
        zh="图片细节不足,放大也不会增加细节。请上传相机原图,或走近重新拍摄。",
    ),
    "arrangement": Text(
        en="Place, size, frame and background of the product are not changed by restoring. Crop "
        "the picture or shoot again.",
        zh="修复不会改变商品的位置、大小、边框和背景。请裁剪或重新拍摄。",
    ),
    "file": Text(
        en="Not a fault of the picture but of the file: ask for another format, quality or size.",
        zh="这是文件的问题,而非图片本身的问题:请改用其他格式、质量或尺寸。",
    ),
    "still_low": Text(
        en="Restoring did not raise this enough. Shoot again as advised.",
        zh="修复后仍未达标。请按建议重新拍摄。",
    ),
}

UNMENDABLE: Final[dict[str, str]] = {
    "few_pixels": "few_pixels",
    "enlarged": "few_pixels",
    "blurred_by_enlarging": "few_pixels",
    "cut_off": "cut_off",
    "too_small": "arrangement",
    "too_tight": "arrangement",
    "off_centre": "arrangement",
    "border": "arrangement",
    "background": "arrangement",
    "not_white": "arrangement",
    "nothing_found": "arrangement",
    "too_heavy": "file",
    "too_many_pixels": "file",
    "animation": "file",
}
"""What cannot be mended, by the causes of ``policy/texts/advice.toml``."""


@dataclass(frozen=True, kw_only=True)
class BeyondRepair:
    """A fault that is still there.

    Attributes:
        cause: ``out_of_focus``, ``cut_off``, ``few_pixels``, ``arrangement``, ``file`` or
            ``still_low``.
        advice: Cause of the advice in the verdict that says what to do.
        attribute: The attribute it is about, or None.
        text: For people.
    """

    cause: str
    advice: str
    attribute: str | None
    text: Text

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def is_out_of_focus(verdict: Verdict) -> bool:
    """Whether the photo is blurred beyond repair."""
    return verdict.attributes["sharpness"] < OUT_OF_FOCUS_BELOW


def beyond_repair(before: Verdict, after: Verdict) -> tuple[BeyondRepair, ...]:
    """What is left to hold against a mended photo and cannot be mended.

    A photo that was blurred beyond repair is called so whatever its score has become: sharp edges
    after restoring it are the network's, not the product's.

    Args:
        before: The verdict on the input.
        after: The verdict on the result.

    Returns:
        Blur beyond repair first, then by falling weight, as the advice of ``after``.
    """
    found = []
    blurred = is_out_of_focus(before)
    if blurred:
        found.append(_fault("out_of_focus", "out_of_focus", "sharpness"))
    for advice in after.advice:
        if blurred and advice.attribute == "sharpness":
            continue
        cause = UNMENDABLE.get(advice.cause, "still_low" if advice.attribute in MENDABLE else None)
        if cause is not None:
            found.append(_fault(cause, advice.cause, advice.attribute))
    return tuple(found)


def _fault(cause: str, advice: str, attribute: str | None) -> BeyondRepair:
    return BeyondRepair(cause=cause, advice=advice, attribute=attribute, text=_TEXTS[cause])
