"""Measuring the guess at light and colour by itself."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from packshot.models.restoration import RestoreNet
from packshot.training.evaluation.enhancement_tone import (
    ToneVersion,
    evaluate_tone,
    tone_groups,
    tone_table,
)

pytest.importorskip("skimage", reason="colour differences need packshot[eval]")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        coarse = np.random.default_rng(number).integers(40, 200, (6, 5, 3), dtype=np.uint8)
        cv2.imwrite(str(path), cv2.resize(coarse, (60, 72), interpolation=cv2.INTER_CUBIC))
    return paths


def measured(photos: list[Path], network: RestoreNet) -> list[ToneVersion]:
    return evaluate_tone(photos, network=network.eval(), versions=6, advance=lambda *_: None)


def test_an_untrained_network_moves_nothing(photos: list[Path]) -> None:
    groups = tone_groups(measured(photos, RestoreNet()), 20)
    assert groups["all spoilt"].versions == 18
    assert groups["clean"].versions == 3
    for kind in ("all spoilt", "light or colour"):
        found = groups[kind]
        assert (found.farther, found.psnr_gain.value) == (0.0, 0.0)
        assert found.delta_e.value == pytest.approx(found.delta_e_before)
    assert groups["clean"].psnr_gain.value == 60.0


def test_a_wrong_guess_is_seen_on_clean_photos(photos: list[Path]) -> None:
    network = RestoreNet()
    with torch.no_grad():
        network.tone.gate.bias.fill_(3.0)
        network.tone.change.bias[6::7] = 0.03  # brightens all by 8 grey levels
    groups = tone_groups(measured(photos, network), 20)
    assert groups["clean"].farther == 1.0
    assert groups["clean"].psnr_gain.value == pytest.approx(-20 * np.log10(8 / 255), abs=0.5)
    assert tone_table(groups).row_count == len(groups)
