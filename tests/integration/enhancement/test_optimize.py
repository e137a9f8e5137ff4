"""optimize on the live server: verdicts, steps, and never a worse picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
from tritonclient.utils import InferenceServerException

from packshot.imaging import decode
from packshot.policy import Verdict
from packshot.training.degradations import FAULTS

Encoded = Callable[..., bytes]


def score_of(ask: Any, photo: bytes, policy: bytes = b"") -> tuple[float, Verdict]:
    answer = ask("quality", photo, POLICY=policy)
    return float(answer["SCORE"][0, 0]), Verdict.from_json(answer["VERDICT"][0, 0])


@pytest.mark.parametrize("name", ["astronaut", "coffee", "rocket"])
@pytest.mark.parametrize("fault", ["under_exposure", "gaussian_noise", "jpeg_compression"])
def test_what_comes_back_is_what_was_judged(
    ask: Any, photo_files: dict[str, bytes], encoded: Encoded, name: str, fault: str
) -> None:
    """Its score by ``quality``, asked again, is the one it came with, and not below the input's."""
    apply = next(known.apply for known in FAULTS if known.name == fault)
    picture = decode(photo_files[name]).pixels_hwc_u8[:400, :400]
    photo = encoded(apply(picture, 0.4, np.random.default_rng(1)), "JPEG", quality=92)
    answer = ask("optimize", photo)
    before, after = map(float, answer["SCORES"][0])
    assert before == pytest.approx(score_of(ask, photo)[0], abs=0.02)
    assert after == pytest.approx(score_of(ask, answer["OUTPUT_IMAGE"][0, 0])[0], abs=0.02)
    assert after >= before
    steps = json.loads(answer["STEPS"][0, 0])
    assert steps["changed"] == any(step["kept"] for step in steps["steps"])
    if not steps["changed"]:
        returned = decode(answer["OUTPUT_IMAGE"][0, 0]).pixels_hwc_u8
        np.testing.assert_array_equal(returned, decode(photo).pixels_hwc_u8)


def test_verdicts_are_those_of_the_policy(ask: Any, photo_files: dict[str, bytes]) -> None:
    answer = ask("optimize", photo_files["chelsea"], POLICY=b"google")
    before = Verdict.from_json(answer["VERDICT_BEFORE"][0, 0])
    expected = score_of(ask, photo_files["chelsea"], b"google")[1]
    assert before.policy == "google"
    assert before.decision == expected.decision
    assert [reason.rule for reason in before.reasons] == [r.rule for r in expected.reasons]


def test_unknown_policy_is_the_callers_mistake(ask: Any, photo_files: dict[str, bytes]) -> None:
    with pytest.raises(InferenceServerException, match="nosuchpolicy") as caught:
        ask("optimize", photo_files["coffee"], POLICY=b"nosuchpolicy")
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_what_cannot_be_mended_is_said(ask: Any, encoded: Encoded) -> None:
    """Flat, cut off by the frame, and only 90 pixels wide."""
    picture = np.full((90, 90, 3), 250, np.uint8)
    picture[30:, 20:70] = (30, 60, 140)
    answer = ask("optimize", encoded(picture))
    found = json.loads(answer["STEPS"][0, 0])["beyond_repair"]
    assert {"cut_off", "few_pixels"} <= {fault["cause"] for fault in found}
    assert all(fault["text"]["en"] and fault["text"]["zh"] for fault in found)


def test_scores_alone_may_be_asked_for(ask: Any, photo_files: dict[str, bytes]) -> None:
    tensor = triton_grpc.InferInput("IMAGE", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[photo_files["chelsea"]]], np.object_))
    wanted = [triton_grpc.InferRequestedOutput("SCORES")]
    answer = ask.client.infer("optimize", [tensor], outputs=wanted, client_timeout=240)
    assert [out.name for out in answer.get_response().outputs] == ["SCORES"]
