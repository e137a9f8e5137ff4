"""A small folder in the form of the real data."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest


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
