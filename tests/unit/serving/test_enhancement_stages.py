"""The stages enhance, upscale and optimize without Triton: other models are functions here."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from packshot.contracts import QUALITY_NET, RESTORE_NET, UPSCALE_NETS, ModelSpec
from packshot.errors import (
    ContractError,
    CorruptImageError,
    ImageTooLargeError,
    ModelCallError,
    PackshotError,
    UnknownPolicyError,
    UnsupportedFormatError,
)
from packshot.imaging import decode
from packshot.policy import Verdict
from packshot.serving.backend import Tensors, checked_request
from packshot.serving.enhance import Enhance
from packshot.serving.optimize import Optimize
from packshot.serving.stage_context import StageContext
from packshot.serving.upscale import Upscale

Picture = npt.NDArray[np.uint8]
Calls = list[tuple[str, tuple[int, ...]]]


def encoded(image: Picture, picture_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, picture_format, **options)
    return buffer.getvalue()


def context(**parameters: str) -> StageContext:
    return StageContext(version_directory=Path("1"), parameters=parameters)


def tensors(**inputs: Any) -> Tensors:
    """BYTES from bytes, INT32 from numbers."""
    return {
        name: np.array([[value]], np.object_ if isinstance(value, bytes) else np.int32)
        for name, value in inputs.items()
    }


def brightness_scores(global_view: Picture) -> Tensors:
    """A judge that likes bright pictures, and calls dark ones badly exposed."""
    light = float(global_view.mean()) / 255.0
    attributes = np.full((1, 7), 0.9, np.float32)
    attributes[0, 1] = light
    return {
        "SCORE": np.array([[100.0 * light]], np.float32),
        "NET_ATTRIBUTES": attributes,
        "UNCERTAINTY": np.array([[3.0]], np.float32),
        "QUALITY_MAP": np.ones((1, 7, 7, 7), np.float32),
    }


@pytest.fixture
def calls() -> Calls:
    return []


@pytest.fixture
def call(calls: Calls) -> Callable[[ModelSpec, Tensors], dict[str, Any]]:
    """Restoring brightens by a half, enlarging repeats pixels. Checks requests as Triton does."""

    def answer(spec: ModelSpec, request: Tensors) -> dict[str, Any]:
        checked_request(spec, request)
        pixels = request.get("PIXELS")
        if spec is QUALITY_NET:
            return dict(brightness_scores(request["GLOBAL_VIEW"]))
        assert pixels is not None
        assert len(pixels) <= spec.max_batch_size
        calls.append((spec.name, pixels.shape))
        if spec is RESTORE_NET:
            return {"RESTORED": np.clip(pixels * 1.5, 0, 255).astype(np.uint8)}
        scale = next(scale for scale, known in UPSCALE_NETS.items() if known is spec)
        return {"UPSCALED": pixels.repeat(scale, axis=1).repeat(scale, axis=2)}

    return answer


def answered(stage: Any, **inputs: Any) -> Any:
    (answer,) = stage.execute([checked_request(stage.spec, tensors(**inputs))])
    if isinstance(answer, Exception):
        raise answer
    assert set(answer) == {tensor.name for tensor in stage.spec.outputs}
    return answer


def picture_of(answer: Any) -> Picture:
    facts = json.loads(answer["OUTPUT_FACTS"][0, 0])
    image = decode(answer["OUTPUT_IMAGE"][0, 0])
    assert (facts["width"], facts["height"]) == (image.width, image.height)
    assert facts["format"] == image.format
    return image.pixels_hwc_u8


GREY = np.full((70, 90, 3), 60, np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, GREY.shape, dtype=np.uint8)


def test_enhance(call: Any) -> None:
    restored = picture_of(answered(Enhance(context(), call), IMAGE=encoded(GREY)))
    assert restored.shape == GREY.shape
    assert (restored == 90).all()


def test_large_pictures_go_in_tiles_of_one_size(call: Any, calls: Calls) -> None:
    wide = np.full((300, 500, 3), 60, np.uint8)
    stage = Enhance(context(max_tile="128", tile_margin="8"), call)
    assert (picture_of(answered(stage, IMAGE=encoded(wide))) == 90).all()
    assert len({shape[1:] for _, shape in calls}) == 1
    assert max(max(shape[1:3]) for _, shape in calls) <= 128
    assert sum(shape[0] for _, shape in calls) > 8


@pytest.mark.parametrize(("scale", "factor"), [(2, 2), (4, 4), (0, 2), (None, 2)])
def test_upscale(call: Any, calls: Calls, scale: int | None, factor: int) -> None:
    inputs = {} if scale is None else {"SCALE": scale}
    large = picture_of(answered(Upscale(context(), call), IMAGE=encoded(GREY), **inputs))
    assert large.shape == (factor * 70, factor * 90, 3)
    assert calls[0][0] == f"upscale_x{factor}_net"


def test_output_options(call: Any) -> None:
    answer = answered(
        Enhance(context(), call),
        IMAGE=encoded(GREY),
        FORMAT=b" JPG ",
        OUTPUT_QUALITY=50,
        MAX_SIDE=45,
    )
    facts = json.loads(answer["OUTPUT_FACTS"][0, 0])
    assert (facts["format"], facts["width"], facts["height"]) == ("JPEG", 45, 35)
    assert picture_of(answer).shape == (35, 45, 3)


def test_orientation_is_applied(call: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = picture_of(
        answered(Enhance(context(), call), IMAGE=encoded(GREY, "JPEG", exif=exif, quality=95))
    )
    assert turned.shape == (90, 70, 3)


def test_animation_gives_its_first_frame(call: Any) -> None:
    second = Image.fromarray(np.full_like(GREY, 200))
    animated = encoded(GREY, "GIF", save_all=True, append_images=[second])
    for stage in (Enhance(context(), call), Optimize(context(), call)):
        answer = answered(stage, IMAGE=animated)
        assert json.loads(answer["OUTPUT_FACTS"][0, 0])["format"] == "PNG"
        assert picture_of(answer).mean() < 150


@pytest.mark.parametrize(
    "image",
    [np.full((3, 3, 3), 50, np.uint8), np.zeros((64, 64, 3), np.uint8),
     np.full((64, 64, 3), 255, np.uint8)],
    ids=["3x3", "black", "white"],
)  # fmt: skip
def test_extreme_pictures(call: Any, image: Picture) -> None:
    for stage in (Enhance(context(), call), Optimize(context(), call)):
        assert picture_of(answered(stage, IMAGE=encoded(image))).shape == image.shape
    large = picture_of(answered(Upscale(context(), call), IMAGE=encoded(image)))
    assert large.shape[0] == 2 * image.shape[0]


REFUSED: dict[str, tuple[dict[str, Any], type[PackshotError], str]] = {
    "junk": ({"IMAGE": b"junk"}, UnsupportedFormatError, "not a picture"),
    "cut short": ({"IMAGE": encoded(NOISE)[:5000]}, CorruptImageError, "cut short"),
    "too large": (
        {"IMAGE": encoded(np.zeros((110, 100, 3), np.uint8))},
        ImageTooLargeError,
        "at most 0.01 megapixels",
    ),
    "format": ({"IMAGE": encoded(GREY), "FORMAT": b"gif"}, ContractError, "jpeg, png or webp"),
    "format not text": ({"IMAGE": encoded(GREY), "FORMAT": b"\xff"}, ContractError, "jpeg, png"),
    "quality": ({"IMAGE": encoded(GREY), "OUTPUT_QUALITY": 101}, ContractError, "1 to 100"),
}


@pytest.mark.parametrize("factory", [Enhance, Upscale, Optimize])
@pytest.mark.parametrize(("inputs", "error", "says"), REFUSED.values(), ids=REFUSED)
def test_refusals(
    call: Any, calls: Calls, factory: Any, inputs: Any, error: type[Exception], says: str
) -> None:
    stage = factory(context(max_pixels="10000"), call)
    with pytest.raises(error, match=says):
        answered(stage, **inputs)
    assert calls == []


@pytest.mark.parametrize("scale", [-1, 1, 3, 8])
def test_unknown_scale(call: Any, scale: int) -> None:
    with pytest.raises(ContractError, match=f"SCALE must be 2 or 4, got {scale}"):
        answered(Upscale(context(), call), IMAGE=encoded(GREY), SCALE=scale)


def test_result_that_would_be_too_large(call: Any) -> None:
    stage = Upscale(context(max_output_pixels="50000"), call)
    assert picture_of(answered(stage, IMAGE=encoded(GREY))).shape == (140, 180, 3)
    with pytest.raises(ImageTooLargeError, match=r"360 x 280 .* Use a smaller scale"):
        answered(stage, IMAGE=encoded(GREY), SCALE=4)


def test_negative_longest_side(call: Any) -> None:
    with pytest.raises(ContractError, match="longest side"):
        answered(Enhance(context(), call), IMAGE=encoded(GREY), MAX_SIDE=-5)


def test_bad_request_fails_alone(call: Any) -> None:
    good, bad = tensors(IMAGE=encoded(GREY)), tensors(IMAGE=b"junk")
    answers = Enhance(context(), call).execute([good, bad, good])
    assert [isinstance(answer, Exception) for answer in answers] == [False, True, False]


def test_network_that_does_not_answer() -> None:
    def unavailable(spec: ModelSpec, _: Tensors) -> dict[str, Any]:
        raise ModelCallError(f"{spec.name} is not loaded", status="UNAVAILABLE")

    with pytest.raises(ModelCallError, match="restore_net is not loaded"):
        answered(Enhance(context(), unavailable), IMAGE=encoded(GREY))


def test_optimize_mends_a_dark_photo(call: Any) -> None:
    dark = np.full((200, 200, 3), 60, np.uint8)
    dark[:, 100:] = 90
    answer = answered(Optimize(context(), call), IMAGE=encoded(dark))
    before, after = answer["SCORES"][0]
    assert after > before + 5
    assert picture_of(answer).mean() == pytest.approx(1.5 * dark.mean(), abs=2)
    steps = json.loads(answer["STEPS"][0, 0])
    assert steps["changed"] is True
    assert steps["steps"][0]["fix"] == "tone"
    verdicts = [
        Verdict.from_json(answer[name][0, 0]) for name in ("VERDICT_BEFORE", "VERDICT_AFTER")
    ]
    assert [round(verdict.score) for verdict in verdicts] == [round(before), round(after)]


def test_optimize_gives_back_what_it_cannot_better(call: Any) -> None:
    """Bright already: the same bytes, but for private metadata."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA431] = "SN-12345"
    photo = encoded(np.full((80, 80, 3), 240, np.uint8), "JPEG", exif=exif, quality=90)
    answer = answered(Optimize(context(), call), IMAGE=photo, FORMAT=b"png")
    assert answer["SCORES"][0, 0] == answer["SCORES"][0, 1]
    kept = answer["OUTPUT_IMAGE"][0, 0]
    assert b"SN-12345" not in kept
    np.testing.assert_array_equal(picture_of(answer), decode(photo).pixels_hwc_u8)
    assert json.loads(answer["OUTPUT_FACTS"][0, 0])["format"] == "JPEG"
    after = Verdict.from_json(answer["VERDICT_AFTER"][0, 0])
    assert after.image["bytes"] == len(kept)


def test_optimize_judges_by_the_policy_asked_for(call: Any) -> None:
    answer = answered(Optimize(context(), call), IMAGE=encoded(GREY), POLICY=b"google")
    assert Verdict.from_json(answer["VERDICT_AFTER"][0, 0]).policy == "google"
    with pytest.raises(UnknownPolicyError, match="nosuch"):
        answered(Optimize(context(), call), IMAGE=encoded(GREY), POLICY=b"nosuch")


def test_standing_back_covers_all_threads() -> None:
    """In a process of its own: a raised niceness cannot be taken back by everyone."""
    program = """
import os, threading
from pathlib import Path
from packshot.serving.stage_context import StageContext
from packshot.serving.niceness import stand_back
gate = threading.Event()
for _ in range(2):
    threading.Thread(target=gate.wait).start()
stand_back(StageContext(version_directory=Path("1"), parameters={"niceness": "15"}))
threading.Thread(target=gate.wait).start()
tasks = [int(task.name) for task in Path("/proc/self/task").iterdir()]
print(sorted(os.getpriority(os.PRIO_PROCESS, task) for task in tasks))
gate.set()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    priorities = json.loads(done.stdout)
    assert len(priorities) >= 4
    assert min(priorities) >= 15


def test_wrong_settings_keep_a_model_from_loading(call: Any) -> None:
    with pytest.raises(ContractError, match="min_gain"):
        Optimize(context(min_gain="much"), call)
    with pytest.raises(ValueError, match="max_side must be a multiple"):
        Enhance(context(max_tile="100"), call)
