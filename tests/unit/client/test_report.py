"""The HTML report, and the pictures in it."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from packshot.contracts import ATTRIBUTES
from packshot_client import ImageSourceError, QualityResult
from packshot_client.photos import ScoredPhoto
from packshot_client.report import ReportContext, heat_cells, report_html
from packshot_client.thumbnails import SIDE, thumbnail_uri
from packshot_client.wording import WORDS

CONTEXT = ReportContext(policy="default", server="host:1", scored_at=datetime(2026, 1, 2, 3, 4))


class Page(HTMLParser):
    """Collects what a page loads, links to and says."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        return [str(attributes[name]) for _, attributes in self.tags if name in attributes]


def photo(result: QualityResult, name: str = "a.jpg") -> ScoredPhoto:
    return ScoredPhoto(path=Path("/photos") / name, outcome=result)


def html_of(*photos: ScoredPhoto, context: ReportContext = CONTEXT) -> str:
    return report_html(photos, context, thumbnail=lambda _: "data:image/jpeg;base64,AAAA")


def test_the_report_says_all_that_is_known(result: QualityResult) -> None:
    text = Page(html_of(photo(result))).text
    for words in ("a.jpg", "61.5", "± 4.2", "review", "The photo is soft.", "Use a tripod."):
        assert words in text
    for words in ("host:1", "quality 3", "2026-01-02 03:04", "JPEG 640 × 480", "35 kB", "62%"):
        assert words in text
    for name in ATTRIBUTES:
        assert name in text


def test_the_report_needs_nothing_from_outside(result: QualityResult) -> None:
    html = html_of(photo(result))
    page = Page(html)
    assert all(value.startswith("data:") for value in page.values("src"))
    assert {tag for tag, attributes in page.tags if "href" in attributes} == {"a"}
    assert page.values("href") == ["https://example.com/rules?a=1&b=2"]
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert not re.search(r"url\(|@import", html)


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>.jpg", "a&b\"'</h2>.jpg", "照片.jpg"]
)
def test_file_names_are_text(result: QualityResult, name: str) -> None:
    failed = ScoredPhoto(path=Path(f"/photos/bad-{name}"), outcome=ImageSourceError("<b>no</b>"))
    page = Page(html_of(photo(result, name), failed))
    assert name.split("/")[-1] in page.text
    assert "<b>no</b>" in page.text
    assert page.values("onerror") == []


def test_a_source_is_a_link_only_if_it_is_an_address(result: QualityResult) -> None:
    for source in ("Google Merchant Center help", "javascript:alert(1)"):
        reason = dataclasses.replace(result.reasons[0], source=source)
        page = Page(html_of(photo(dataclasses.replace(result, reasons=(reason,)))))
        assert page.values("href") == []
        assert source in page.text


def test_photos_without_a_map_have_no_overlay(result: QualityResult) -> None:
    assert 'class="heat"' in html_of(photo(result))
    assert 'class="heat"' not in html_of(photo(dataclasses.replace(result, quality_map=None)))


def test_heat_is_the_worst_attribute_of_each_cell() -> None:
    good = [[0.9] * 7 for _ in range(7)]
    bad = [list(row) for row in good]
    bad[2][3] = 0.2
    planes: Any = tuple(tuple(map(tuple, plane)) for plane in [good] * 6 + [bad])
    cells = heat_cells(planes)
    assert cells[2][3] == pytest.approx(0.8)
    assert cells[3][2] == pytest.approx(0.1)


def test_only_failures_and_nothing_at_all() -> None:
    failed = ScoredPhoto(path=Path("a.jpg"), outcome=ImageSourceError("no"))
    assert "Photos that could not be scored" in html_of(failed)
    assert "<main>" in html_of()


def test_chinese(result: QualityResult) -> None:
    html = html_of(photo(result), context=dataclasses.replace(CONTEXT, language="zh"))
    assert '<html lang="zh">' in html
    assert "请使用三脚架。" in html
    assert "Use a tripod." not in html


def test_every_word_is_there_in_each_language() -> None:
    assert WORDS["en"].keys() == WORDS["zh"].keys()


def decoded(uri: str | None) -> Image.Image:
    assert uri is not None
    head, _, data = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_thumbnail_is_small_and_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (1600, 800)).save(tmp_path / "a.jpg", exif=exif)
    assert decoded(thumbnail_uri(tmp_path / "a.jpg")).size == (SIDE // 2, SIDE)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "I;16", "CMYK", "1"])
def test_thumbnails_of_every_mode(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tif" if mode in {"I;16", "CMYK"} else "a.png")
    Image.new(mode, (40, 20)).save(path)
    assert decoded(thumbnail_uri(path)).size == (40, 20)


def test_a_transparent_thumbnail_lies_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save(tmp_path / "a.png")
    pixel = decoded(thumbnail_uri(tmp_path / "a.png")).getpixel((5, 5))
    assert pixel == (255, 255, 255)


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff\xe0 cut"])
def test_no_thumbnail_of_what_is_no_picture(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    assert thumbnail_uri(tmp_path / "a.jpg") is None
    assert thumbnail_uri(tmp_path / "missing.jpg") is None
