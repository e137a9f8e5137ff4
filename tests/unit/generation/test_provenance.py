"""What is written into generated files, and what is read back."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from packshot.errors import ImageError
from packshot.generation import verify
from packshot.generation.pictures import GeneratorVersion, finished, software_name
from packshot.generation.requests import GenerationRequest
from packshot.generation.screening import Sample
from packshot.generation.watermark import THRESHOLD, WATERMARK
from packshot.imaging import Rights, decode, encode, read_rights, without_private_metadata
from packshot.imaging.encoding import OutputFormat, OutputOptions
from packshot.imaging.xmp import TRAINED_ALGORITHMIC_MEDIA, Origin

FORMATS: tuple[OutputFormat, ...] = ("jpeg", "png", "webp")
VERSION = GeneratorVersion(model="generator_net", version=3, weights="0123456789ab")


@pytest.fixture(scope="module")
def sample() -> Sample:
    rng = np.random.default_rng(3)
    pixels = np.full((128, 128, 3), 255, np.uint8)
    pixels[20:110, 20:110] = rng.normal(120, 20, (90, 90, 1)).clip(0, 249).astype(np.uint8)
    return Sample(pixels_hwc_u8=pixels, seed=12, score=47.25, tries=2)


def wish(output: OutputFormat) -> GenerationRequest:
    return GenerationRequest(
        category="belts", seed=11, scale=2, output=OutputOptions(format=output), min_score=40.0
    )


@pytest.mark.parametrize("output", FORMATS)
def test_file_and_facts_say_the_same(sample: Sample, output: OutputFormat) -> None:
    data, facts = finished(sample, wish(output), VERSION)
    found = verify(data)
    assert found.generated
    assert found.watermark == facts["watermark"] == WATERMARK
    assert found.confidence >= THRESHOLD == found.threshold
    assert found.digital_source_type == facts["digital_source_type"] == TRAINED_ALGORITHMIC_MEDIA
    assert found.software == facts["software"] == software_name()
    assert Image.open(io.BytesIO(data)).getexif()[0x0131] == software_name()
    assert (facts["format"], facts["width"], facts["height"]) == (output.upper(), 128, 128)
    assert facts["bytes"] == len(data)
    assert (facts["seed"], facts["score"], facts["tries"]) == (12, 47.25, 2)
    assert (facts["model"], facts["model_version"], facts["weights"]) == (
        "generator_net", 3, "0123456789ab",
    )  # fmt: skip
    assert finished(sample, wish(output), VERSION)[0] == data, "the same bytes again"


@pytest.mark.parametrize("output", FORMATS)
def test_lost_metadata_leaves_the_mark(sample: Sample, output: OutputFormat) -> None:
    data, _ = finished(sample, wish(output), VERSION)
    buffer = io.BytesIO()
    Image.fromarray(decode(data).pixels_hwc_u8).save(buffer, "JPEG", quality=75)
    found = verify(buffer.getvalue())
    assert (found.generated, found.watermark) == (True, WATERMARK)
    assert (found.digital_source_type, found.software) == ("", "")


@pytest.mark.parametrize("output", FORMATS)
def test_lost_mark_leaves_the_metadata(sample: Sample, output: OutputFormat) -> None:
    """A crop by a program that keeps metadata; and what takes private metadata away keeps it."""
    data, _ = finished(sample, wish(output), VERSION)
    cropped = encode(
        decode(data).pixels_hwc_u8[40:, 30:], OutputOptions(format=output), "PNG", read_rights(data)
    ).data
    for file in (cropped, without_private_metadata(cropped, 1)):
        assert file is not None
        found = verify(file)
        assert found.watermark == ""
        assert found.generated
        assert found.digital_source_type == TRAINED_ALGORITHMIC_MEDIA
        assert found.software == software_name()


def test_photos_are_not_generated(photo_files: dict[str, bytes]) -> None:
    for file in photo_files.values():
        found = verify(file)
        assert not found.generated
        assert found.to_json()["watermark"] == ""


def test_a_photo_that_says_it_is_one_is_believed(photo_files: dict[str, bytes]) -> None:
    origin = Origin(
        digital_source_type="http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    )
    photo = decode(photo_files["coffee"])
    file = encode(photo.pixels_hwc_u8, OutputOptions(), "JPEG", Rights(origin=origin)).data
    found = verify(file)
    assert not found.generated
    assert found.digital_source_type.endswith("digitalCapture")


@pytest.mark.parametrize("junk", [b"", b"not a picture", b"\xff\xd8\xff\xe0"])
def test_what_is_no_picture_is_refused(junk: bytes) -> None:
    with pytest.raises(ImageError):
        verify(junk)
