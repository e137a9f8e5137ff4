"""The shipped weights keep to the truth of the product: text, stripes, plain areas, colours.

Each picture is drawn, spoilt a little as sellers' photos are, and mended: its edges must not end
further from what was drawn than they began. The tone branch is judged by colour differences on
photos (``packshot-eval restore``), as a drawing has no light to judge by; here what it does is
done to the drawing and to the spoilt picture as well, and taken out of the comparison so.
"""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from packshot.enhancement.finishing import Finish, finished
from packshot.enhancement.fixes import FINISHES
from packshot.imaging.views import global_view
from packshot.models.restoration import RestoreNet, apply_tone
from packshot.models.upscaling import UpscaleNet
from packshot.models.weights import load_restore_net, load_upscale_net
from packshot.training.degradations import FAULTS
from packshot.training.enhancement.fidelity import PixelArray, delta_e
from packshot.training.enhancement.resampling import bicubic_enlarge, bicubic_shrink

WEIGHTS = Path(__file__).parents[3] / "weights"
UPSCALERS = ("upscale_x2", "upscale_x4", "upscale_x2_bicubic", "upscale_x4_bicubic")
SIDE = 256
PERIODS = (6, 10, 16)
# Of the input's error: more would be distortion.
TOLERANCE = 1.03
# (fault, severity): each plain to see, and an order that a phone and a shop would cause.
SPOILT = {
    "noise": (("gaussian_noise", 0.3),),
    "blur": (("defocus_blur", 0.12),),
    "compression": (("jpeg_compression", 0.5),),
    "all": (("defocus_blur", 0.08), ("gaussian_noise", 0.2), ("jpeg_compression", 0.4)),
}


def printed_text() -> PixelArray:
    """Words of several sizes on cloth, dark on light and light on dark."""
    picture = np.full((SIDE, SIDE, 3), (214, 208, 196), np.uint8)
    picture[SIDE // 2 :] = (52, 60, 88)
    for number, (size, colour) in enumerate(
        [(0.5, (30, 30, 34)), (0.8, (150, 30, 40)), (1.2, (20, 60, 120))] * 2
    ):
        ink = colour if number < 3 else tuple(255 - value // 2 for value in colour)
        bottom = 30 + 40 * number + (10 if number > 2 else 0)
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(picture, "PURE COTTON 40", (8, bottom), font, size, ink, 1 + number % 2, 16)
    return picture


def stripes(period: int) -> PixelArray:
    """Upright stripes, then slanted ones, with soft edges as a lens draws them."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    across = np.where(y < SIDE / 2, x, (x + y) / np.sqrt(2.0)) + 1.0
    share = (0.5 + 0.5 * np.tanh(3.0 * np.sin(2 * np.pi * across / period)))[..., None]
    light, dark = np.float32([225, 220, 210]), np.float32([60, 80, 130])
    return np.rint(share * light + (1 - share) * dark).astype(np.uint8)


def spoil(picture: PixelArray, kind: str) -> PixelArray:
    by_name = {fault.name: fault for fault in FAULTS}
    for name, severity in SPOILT[kind]:
        picture = by_name[name].apply(picture, severity, np.random.default_rng(3))
    return picture


def error(picture: PixelArray, drawn: PixelArray) -> float:
    return float(np.sqrt(np.mean((picture.astype(float) - drawn.astype(float)) ** 2)))


def stripe_frequency(picture: PixelArray) -> int:
    """The strongest frequency across the upright half, in stripes to its width."""
    profile = picture[: SIDE // 2 - 16].astype(float).mean(axis=(0, 2))
    return int(np.abs(np.fft.rfft(profile - profile.mean())).argmax())


def overshoot(picture: PixelArray, drawn: PixelArray) -> float:
    """How far pixels lie outside the darkest and the brightest drawn, grey levels RMS."""
    found, truth = picture.astype(float), drawn.astype(float)
    below = np.maximum(truth.min(axis=(0, 1)) - found, 0.0)
    above = np.maximum(found - truth.max(axis=(0, 1)), 0.0)
    return float(np.sqrt(np.mean((below + above) ** 2)))


@pytest.fixture(scope="module")
def restorer() -> RestoreNet:
    return load_restore_net(WEIGHTS / "restore.safetensors")


def restore(network: RestoreNet, picture: PixelArray) -> PixelArray:
    with torch.inference_mode():
        batches = (torch.from_numpy(p)[None] for p in (picture, global_view(picture)))
        return np.asarray(network(*batches)[0].numpy(), np.uint8)


def toned_alike(network: RestoreNet, picture: PixelArray, spoilt: PixelArray) -> PixelArray:
    """The picture with the tone that the network gives to the spoilt one."""
    thumbnail, image = (
        torch.from_numpy(p)[None].permute(0, 3, 1, 2).float() / 255.0
        for p in (global_view(spoilt), picture)
    )
    with torch.inference_mode():
        toned = apply_tone(image, network.tone(thumbnail))[0].permute(1, 2, 0) * 255.0
    return np.asarray(toned.round().numpy(), np.uint8)


@pytest.mark.parametrize("kind", SPOILT)
@pytest.mark.parametrize("period", [None, *PERIODS])
def test_restoring_distorts_neither_text_nor_stripes(
    restorer: RestoreNet, kind: str, period: int | None
) -> None:
    drawn = printed_text() if period is None else stripes(period)
    spoilt = spoil(drawn, kind)
    restored = restore(restorer, spoilt)
    truth, before = (toned_alike(restorer, p, spoilt) for p in (drawn, spoilt))
    assert error(restored, truth) <= TOLERANCE * error(before, truth)
    if period is not None:
        assert stripe_frequency(restored) == stripe_frequency(drawn)


@pytest.mark.parametrize("finish", FINISHES.values(), ids=FINISHES)
@pytest.mark.parametrize("kind", SPOILT)
@pytest.mark.parametrize("period", [None, *PERIODS])
def test_finishing_distorts_neither_text_nor_stripes(
    restorer: RestoreNet, kind: str, period: int | None, finish: Finish
) -> None:
    """What ``optimize`` makes of them."""
    drawn = printed_text() if period is None else stripes(period)
    spoilt = spoil(drawn, kind)
    truth, before = (toned_alike(restorer, p, spoilt) for p in (drawn, spoilt))
    crisp = finished(before, restore(restorer, spoilt), finish)
    assert error(crisp, truth) <= TOLERANCE * error(before, truth)
    if period is not None:
        assert stripe_frequency(crisp) == stripe_frequency(drawn)
    # No halo: no pixel leaves the range of the print, beyond what was outside it already.
    assert overshoot(crisp, truth) <= TOLERANCE * overshoot(before, truth) + 1.0


def test_restoring_invents_nothing_on_plain_cloth(restorer: RestoreNet) -> None:
    plain = np.full((SIDE, SIDE, 3), (180, 140, 120), np.uint8)
    noisy = spoil(plain, "noise")
    truth, before = (toned_alike(restorer, p, noisy) for p in (plain, noisy))
    assert error(restore(restorer, noisy), truth) < error(before, truth)


@pytest.mark.parametrize("name", UPSCALERS)
def test_upscaling_brings_text_and_stripes_nearer_than_bicubic(name: str) -> None:
    network = load_upscale_net(WEIGHTS / f"{name}.safetensors")
    scale = network.config.scale
    for drawn in (printed_text(), stripes(PERIODS[-1])):
        small = bicubic_shrink(drawn, scale)
        enlarged = enlarge(network, small)
        assert error(enlarged, drawn) <= error(bicubic_enlarge(small, scale), drawn)


@pytest.mark.parametrize("name", UPSCALERS)
def test_upscaling_keeps_stripes_and_colours(name: str) -> None:
    network = load_upscale_net(WEIGHTS / f"{name}.safetensors")
    scale = network.config.scale
    drawn = stripes(PERIODS[-1])
    enlarged = enlarge(network, bicubic_shrink(drawn, scale))
    assert stripe_frequency(enlarged) == stripe_frequency(drawn)
    for colour in ((200, 30, 40), (20, 90, 60), (250, 250, 250), (10, 10, 12), (128, 128, 128)):
        plain = np.full((32, 32, 3), colour, np.uint8)
        expected = np.full((32 * scale, 32 * scale, 3), colour, np.uint8)
        assert delta_e(enlarge(network, plain), expected) < 1.5


def enlarge(network: UpscaleNet, picture: PixelArray) -> PixelArray:
    with torch.inference_mode():
        return np.asarray(network(torch.from_numpy(picture)[None])[0].numpy(), np.uint8)
