"""enhance and upscale on the live server: results, bad input, memory."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pytest
import tritonclient.grpc as triton_grpc
from PIL import Image, ImageOps
from tritonclient.utils import InferenceServerException

from packshot.enhancement import restore, upscale
from packshot.imaging import decode
from packshot.serving.process import TritonProcess

Picture = npt.NDArray[np.uint8]
Encoded = Callable[..., bytes]

INVALID = "StatusCode.INVALID_ARGUMENT"
UNAVAILABLE = "StatusCode.UNAVAILABLE"
MEMORY_LIMIT = 2_000_000_000


def opened(answer: dict[str, Any]) -> Image.Image:
    image = Image.open(io.BytesIO(answer["OUTPUT_IMAGE"][0, 0]))
    facts = json.loads(answer["OUTPUT_FACTS"][0, 0])
    assert facts["format"] == image.format
    # An unchanged photo keeps its orientation as a tag.
    assert (facts["width"], facts["height"]) == ImageOps.exif_transpose(image).size
    return image


def refusal(call: Callable[[], Any]) -> InferenceServerException:
    with pytest.raises(InferenceServerException) as caught:
        call()
    return caught.value


def test_enhance_is_the_network_on_tiles(ask: Any, photo_files: dict[str, bytes]) -> None:
    """The served result, and that of the same tiles sent to restore_net by hand."""
    photo = photo_files["motorcycle_left"]
    image = decode(photo).pixels_hwc_u8
    by_hand = restore(
        image,
        lambda tiles, thumbnails: ask.infer("restore_net", PIXELS=tiles, THUMBNAIL=thumbnails)[
            "RESTORED"
        ],
    )
    served = decode(ask("enhance", photo, FORMAT=b"png")["OUTPUT_IMAGE"][0, 0]).pixels_hwc_u8
    np.testing.assert_array_equal(served, by_hand)
    assert (served != image).any()


@pytest.mark.parametrize("scale", [2, 4])
def test_upscale_is_the_network_on_tiles(
    ask: Any, photo_files: dict[str, bytes], encoded: Encoded, scale: int
) -> None:
    image = decode(photo_files["coffee"]).pixels_hwc_u8[:110, :150]
    by_hand = upscale(
        image,
        lambda tiles: ask.infer(f"upscale_x{scale}_net", PIXELS=tiles)["UPSCALED"],
        scale=scale,
    )
    served = ask("upscale", encoded(image), SCALE=scale)
    np.testing.assert_array_equal(decode(served["OUTPUT_IMAGE"][0, 0]).pixels_hwc_u8, by_hand)


def test_output_options(ask: Any, photo_files: dict[str, bytes]) -> None:
    answer = ask("enhance", photo_files["rocket"], FORMAT=b"webp", OUTPUT_QUALITY=60, MAX_SIDE=200)
    image = opened(answer)
    assert (image.format, max(image.size)) == ("WEBP", 200)


def test_private_metadata_stays_behind(ask: Any, encoded: Encoded) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x8298] = "(c) Studio"
    exif.get_ifd(0x8769)[0xA431] = "SN-12345"
    exif.get_ifd(0x8825)[29] = "2026:01:01"
    photo = encoded(np.full((80, 120, 3), 90, np.uint8), "JPEG", exif=exif)
    for model in ("enhance", "upscale", "optimize"):
        answer = ask(model, photo)
        assert b"SN-12345" not in answer["OUTPUT_IMAGE"][0, 0]
        image = decode(answer["OUTPUT_IMAGE"][0, 0])
        assert image.height > image.width
        assert opened(answer).getexif()[0x8298] == "(c) Studio"
        assert not opened(answer).getexif().get_ifd(0x8825)


def test_animation_gives_its_first_frame(ask: Any, encoded: Encoded) -> None:
    frames = [Image.fromarray(np.full((70, 70, 3), level, np.uint8)) for level in (40, 220)]
    animated = encoded(np.asarray(frames[0]), "GIF", save_all=True, append_images=frames[1:])
    image = opened(ask("upscale", animated))
    assert (image.format, image.size) == ("PNG", (140, 140))
    assert np.asarray(image).mean() < 128


EXTREMES = {
    "3x3": np.full((3, 3, 3), 70, np.uint8),
    "1x1": np.full((1, 1, 3), 70, np.uint8),
    "black": np.zeros((90, 70, 3), np.uint8),
    "white": np.full((90, 70, 3), 255, np.uint8),
    "one row": np.full((1, 900, 3), 128, np.uint8),
}


@pytest.mark.parametrize("image", EXTREMES.values(), ids=EXTREMES)
def test_extreme_pictures(ask: Any, encoded: Encoded, image: Picture) -> None:
    height, width = image.shape[:2]
    assert opened(ask("enhance", encoded(image))).size == (width, height)
    assert opened(ask("upscale", encoded(image))).size == (2 * width, 2 * height)
    assert opened(ask("optimize", encoded(image))).size == (width, height)


def test_bad_input(ask: Any, photo_files: dict[str, bytes], encoded: Encoded) -> None:
    photo = photo_files["rocket"]
    large = encoded(np.zeros((5000, 5000, 3), np.uint8), "JPEG")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"image": b"junk"}, "not a picture we read"),
        ({"image": b""}, "empty"),
        ({"image": photo[: len(photo) // 2]}, "cut short"),
        ({"image": large}, "at most 24 megapixels"),
        ({"image": photo, "FORMAT": b"tiff"}, "jpeg, png or webp"),
        ({"image": photo, "OUTPUT_QUALITY": 500}, "1 to 100"),
    ]
    for model in ("enhance", "upscale", "optimize"):
        for arguments, says in cases:
            options = {name: value for name, value in arguments.items() if name != "image"}
            error = refusal(lambda m=model, a=arguments, o=options: ask(m, a["image"], **o))  # type: ignore[misc]
            assert error.status() == INVALID
            assert says in error.message()
            assert "Traceback" not in error.message()


def test_unknown_scale(ask: Any, photo_files: dict[str, bytes]) -> None:
    error = refusal(lambda: ask("upscale", photo_files["rocket"], SCALE=3))
    assert error.status() == INVALID
    assert "SCALE must be 2 or 4, got 3" in error.message()


@pytest.mark.parametrize("size", [(66, 64), (64, 1028)])
def test_network_called_with_a_size_it_cannot_take(ask: Any, size: tuple[int, int]) -> None:
    pixels = np.zeros((1, *size, 3), np.uint8)
    thumbnail = np.zeros((1, 224, 224, 3), np.uint8)
    error = refusal(lambda: ask.infer("restore_net", PIXELS=pixels, THUMBNAIL=thumbnail))
    assert error.status() == INVALID
    assert "multiples of 4" in error.message()


def test_network_that_is_not_loaded_is_named(ask: Any, photo_files: dict[str, bytes]) -> None:
    ask.client.unload_model("upscale_x4_net")
    try:
        while ask.client.is_model_ready("upscale_x4_net"):
            time.sleep(0.05)
        error = refusal(lambda: ask("upscale", photo_files["rocket"], SCALE=4))
        assert error.status() == UNAVAILABLE
        assert "packshot-export build upscale_x4" in error.message()
        assert opened(ask("upscale", photo_files["rocket"], SCALE=2)).size == (1280, 854)
    finally:
        ask.client.load_model("upscale_x4_net")


def test_overload_is_refused_at_once(ask: Any, encoded: Encoded) -> None:
    errors: list[Any] = []
    done = threading.Semaphore(0)
    tensor = triton_grpc.InferInput("IMAGE", [1, 1], "BYTES")
    photo = encoded(np.full((200, 200, 3), 90, np.uint8))
    tensor.set_data_from_numpy(np.array([[photo]], np.object_))

    def answered(result: Any, error: Any) -> None:  # noqa: ARG001
        errors.append(error)
        done.release()

    for _ in range(40):
        ask.client.async_infer("enhance", [tensor], answered, client_timeout=240)
    for _ in range(40):
        assert done.acquire(timeout=240)
    refused = [error for error in errors if error is not None]
    assert 0 < len(refused) < 40
    assert all(error.status() == UNAVAILABLE for error in refused)


def test_twelve_megapixels_stay_within_the_memory_limit(
    ask: Any, enhancing_triton: TritonProcess, photo_files: dict[str, bytes], encoded: Encoded
) -> None:
    """All of the server's processes together, scoring included, at their highest."""
    part = decode(photo_files["astronaut"]).pixels_hwc_u8
    photo = encoded(np.tile(part, (6, 8, 1))[:3000, :4000], "JPEG", quality=90)
    server = psutil.Process(enhancing_triton.pid)
    peak, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.2):
            used = 0
            for process in [server, *server.children(recursive=True)]:
                # Proportional: pages that processes share count once.
                used += process.memory_full_info().pss
            peak[0] = max(peak[0], used)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        image = opened(ask("enhance", photo))
    finally:
        stop.set()
        watcher.join()
    assert image.size == (4000, 3000)
    assert 0 < peak[0] < MEMORY_LIMIT
