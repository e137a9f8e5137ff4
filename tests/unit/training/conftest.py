"""A small folder in the form of the real data."""

import csv
import io
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from packshot.contracts import CATEGORIES


def write_picture(path: Path, seed: int, side: int = 96) -> None:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(
        str(path), cv2.resize(small, (side + seed % 5, side), interpolation=cv2.INTER_CUBIC)
    )


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    rows = []
    for number in range(60):
        name = f"ss0{number % 3 + 1}_{number}.jpg"
        write_picture(root / "biq2021" / "images" / name, number)
        rows.append({"file": name, "mos": round(0.3 + (number % 13) / 20, 3)})
    with (root / "biq2021" / "mos.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["file", "mos"])
        writer.writeheader()
        writer.writerows(rows)
    for source in ("studio", "bsds", "seller_photos/dress"):
        for number in range(12):
            write_picture(root / source / f"{number:02}.jpg", 100 + number)
    return root


@pytest.fixture(scope="session")
def packshots_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven packshots of each category, a box of some colour each: data/packshots/."""
    root = tmp_path_factory.mktemp("catalogue") / "packshots"
    root.mkdir()
    rng = np.random.default_rng(0)
    with (
        (root / "packshots.csv").open("w", newline="") as stream,
        tarfile.open(root / "packshots.tar", "w") as archive,
    ):
        writer = csv.DictWriter(stream, ["file", "category", "colour"])
        writer.writeheader()
        for number, category in enumerate(CATEGORIES):
            for index in range(11):
                name = f"{category}/{index}.jpg"
                picture = np.full((80, 60, 3), 255, np.uint8)
                picture[20:60, 15:45] = rng.integers(0, 200, 3) + number
                data = cv2.imencode(".jpg", picture)[1].tobytes()
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
                writer.writerow({"file": name, "category": category, "colour": "Red"})
    return root
