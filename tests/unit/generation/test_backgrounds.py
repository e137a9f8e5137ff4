"""Backgrounds replaced: what is promised of the product, and what of the rest."""

import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from packshot.errors import EditError
from packshot.generation.backgrounds import (
    Backdrop,
    BoolArray,
    PixelArray,
    parse_backdrop,
    replace_background,
)
from packshot.imaging.decode import decode
from packshot.imaging.product import find_product

PACKSHOTS = Path("../shared/data/packshots/packshots.tar")
STUDIO = Path("../shared/data/studio")
STYLES = ("white", "grey", "#203050", "#ffffff:#c0b0a0")


def bag(side: int = 200) -> tuple[PixelArray, BoolArray, BoolArray]:
    """A textured bag on white with a handle; where bag and handle's inside are."""
    rng = np.random.default_rng(0)
    image = np.full((side, side, 3), 252, np.uint8)
    body = np.zeros((side, side), np.uint8)
    cv2.rectangle(body, (50, 90), (150, 170), 1, -1)
    cv2.circle(body, (100, 90), 40, 1, 8)
    inside = np.zeros_like(body)
    cv2.circle(inside, (100, 70), 10, 1, -1)
    texture = rng.integers(20, 140, (side, side, 3), dtype=np.uint8)
    image[body > 0] = texture[body > 0]
    return image, body > 0, inside > 0


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("shadow", [0.0, 0.6])
@pytest.mark.parametrize("keep_light", [False, True])
def test_every_pixel_of_the_product_stays(style: str, shadow: float, keep_light: bool) -> None:
    image, product, _ = bag()
    backdrop = parse_backdrop(style, shadow=shadow, keep_light=keep_light)
    restyled = replace_background(image, backdrop)
    assert restyled.mask[product].all()
    assert not restyled.rim.any()
    assert np.array_equal(restyled.picture_hwc_u8[restyled.mask], image[restyled.mask])


def test_the_background_becomes_the_colour_asked_for() -> None:
    image, _, _ = bag()
    picture = replace_background(image, parse_backdrop("#203050")).picture_hwc_u8
    corner = picture[:30, :30]
    assert (corner == (0x20, 0x30, 0x50)).all()
    assert (image[:30, :30] == 252).all()  # the input is left alone


def test_a_gradient_runs_from_the_top_to_the_bottom() -> None:
    image, _, _ = bag()
    picture = replace_background(image, parse_backdrop("#ffffff:#808080")).picture_hwc_u8
    column = picture[:, 2, 0].astype(int)
    assert (column[0], column[-1]) == (255, 128)
    assert (np.diff(column) <= 0).all()


def test_a_shadow_is_soft_and_below() -> None:
    image, _, _ = bag()
    picture = replace_background(image, parse_backdrop("white", shadow=0.6)).picture_hwc_u8
    below, above = picture[174, 100].astype(int), picture[25, 100].astype(int)
    assert below.max() < 225
    assert above.min() > below.max() + 10
    assert (picture[5, 5] == 255).all()
    assert np.abs(np.diff(picture[172:, 100, 0].astype(int))).max() < 25


def test_the_light_of_the_old_background_can_stay() -> None:
    image, product, _ = bag()
    lit = image.astype(np.float32)
    lit[~product] *= np.linspace(0.85, 1.0, 200, dtype=np.float32)[None, :, None].repeat(200, 0)[
        ~product
    ]
    darker = np.clip(lit, 0, 255).astype(np.uint8)
    darker[185:190, 60:140] = (darker[185:190, 60:140] * 0.985).astype(np.uint8)  # a faint shadow
    kept = replace_background(darker, parse_backdrop("#8090a0", keep_light=True)).picture_hwc_u8
    fresh = replace_background(darker, parse_backdrop("#8090a0")).picture_hwc_u8
    assert kept[187, 100].mean() < kept[195, 100].mean()
    assert fresh[198, 100].tolist() == [0x80, 0x90, 0xA0]


def test_what_a_product_encloses_is_product_unless_said_otherwise() -> None:
    image, _, inside = bag()
    backdrop = parse_backdrop("#203050")
    kept = replace_background(image, backdrop)
    assert np.array_equal(kept.picture_hwc_u8[inside], image[inside])
    opened = replace_background(image, backdrop, see_through=True)
    assert (opened.picture_hwc_u8[inside] == (0x20, 0x30, 0x50)).all()
    assert np.array_equal(opened.picture_hwc_u8[opened.mask], image[opened.mask])


def test_a_rim_takes_the_light_fringe_from_dark_backgrounds_and_no_more() -> None:
    image = np.full((200, 200, 3), 255, np.uint8)
    large = np.full((800, 800, 3), 255, np.uint8)
    cv2.circle(large, (400, 400), 240, (30, 30, 30), -1)
    image = cv2.resize(large, (200, 200), interpolation=cv2.INTER_AREA)  # an edge of mixed pixels
    backdrop = parse_backdrop("#000020")
    plain, blended = (replace_background(image, backdrop, rim_px=rim) for rim in (0, 2))
    inner = blended.mask & ~blended.rim
    assert np.array_equal(blended.picture_hwc_u8[inner], image[inner])
    assert plain.picture_hwc_u8[plain.mask].max() > 150
    assert blended.picture_hwc_u8[blended.mask].max() < 80


def test_a_mask_serves_where_the_background_is_not_plain() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    with pytest.raises(EditError, match=r"is not plain.*Give a mask"):
        replace_background(noise, parse_backdrop("white"))
    mask = np.zeros((60, 80), bool)
    mask[20:40, 20:60] = True
    picture = replace_background(noise, parse_backdrop("white"), mask=mask).picture_hwc_u8
    assert np.array_equal(picture[mask], noise[mask])
    assert (picture[~mask] == 255).all()


def test_bad_input_is_refused() -> None:
    image, _, _ = bag()
    white = parse_backdrop("white")
    with pytest.raises(EditError, match="The mask is 3 x 4 pixels, the picture 200 x 200"):
        replace_background(image, white, mask=np.ones((4, 3), bool))
    with pytest.raises(EditError, match="Nothing stands out"):
        replace_background(np.full((90, 90, 3), 255, np.uint8), white)
    with pytest.raises(EditError, match="0 pixels or more, got -1"):
        replace_background(image, white, rim_px=-1)
    for text in ("purple", "#12", "#fff:#000:#fff", ""):
        with pytest.raises(EditError, match="expected white, grey, a colour like"):
            parse_backdrop(text)
    with pytest.raises(EditError, match=r"shadow must be 0 to 1, got 1\.5"):
        parse_backdrop("white", shadow=1.5)
    with pytest.raises(EditError, match="three channels of 0 to 255"):
        Backdrop(top=(0, 0, 300), bottom=(0, 0, 0))


def test_short_colours_are_read_like_long_ones() -> None:
    assert parse_backdrop("#fa0") == parse_backdrop("#ffaa00")


def real_pictures() -> list[PixelArray]:
    found = []
    if PACKSHOTS.is_file():
        with tarfile.open(PACKSHOTS) as archive:
            for number, member in enumerate(archive):
                content = archive.extractfile(member) if number % 60 == 1 else None
                if content is not None:
                    found.append(decode(content.read()).pixels_hwc_u8)
                if len(found) == 30:
                    break
    found += [decode(p.read_bytes()).pixels_hwc_u8 for p in sorted(STUDIO.glob("*.jpg"))[::30]]
    return found


@pytest.mark.skipif(not PACKSHOTS.is_file(), reason="needs the photos of shared/data")
def test_every_pixel_of_real_products_stays() -> None:
    pictures = real_pictures()
    done = 0
    for image in pictures:
        product = find_product(image)
        if product is None or not product.mask.any():
            continue
        restyled = replace_background(image, parse_backdrop("#203050", shadow=0.5))
        assert restyled.mask[product.mask].all()
        assert np.array_equal(restyled.picture_hwc_u8[product.mask], image[product.mask])
        assert np.array_equal(restyled.picture_hwc_u8[restyled.mask], image[restyled.mask])
        done += 1
    assert done >= 0.7 * len(pictures)
