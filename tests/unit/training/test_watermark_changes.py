"""What our own models do to marked pictures."""

import numpy as np

from packshot.models.restoration import RestoreNet
from packshot.models.upscaling import UpscaleNet, UpscaleNetConfig
from packshot.training.evaluation.watermark_changes import BEYOND, REQUIRED, own_changes


def test_our_own_models_are_among_the_changes() -> None:
    upscaler = UpscaleNet(UpscaleNetConfig(scale=2)).eval()
    changes = own_changes(RestoreNet().eval(), upscaler)
    assert list(changes) == ["enhance", "upscale ×2"]
    assert not {*REQUIRED, *BEYOND} & set(changes)
    picture = np.random.default_rng(0).integers(0, 256, (66, 64, 3), dtype=np.uint8)
    # A restoration network that has not learned anything yet is the identity.
    assert np.abs(changes["enhance"](picture).astype(int) - picture).max() <= 1
    assert changes["upscale ×2"](picture).shape == (132, 128, 3)
