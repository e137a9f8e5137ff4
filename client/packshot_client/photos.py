"""Photos on disk: which files to score, and what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packshot.contracts import DECISIONS
from packshot_client._exceptions import ClientError, ImageSourceError
from packshot_client._packs import ScoreOutcome
from packshot_client._results import QualityResult
from packshot_client._sync import PackshotClient

SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".jfif", ".jpe"}
)
"""What a folder is searched for. A file named by itself may have any name."""

FAILED: Final = "failed"


@dataclass(frozen=True, kw_only=True)
class ScoredPhoto:
    """One photo and its outcome."""

    path: Path
    outcome: ScoreOutcome

    @property
    def result(self) -> QualityResult | None:
        """The result, if it was scored."""
        return self.outcome if isinstance(self.outcome, QualityResult) else None

    @property
    def error(self) -> ClientError | None:
        """Why it was not scored, if so."""
        return self.outcome if isinstance(self.outcome, ClientError) else None


@dataclass(frozen=True, kw_only=True)
class FoundPhoto:
    """One photo to work on.

    Attributes:
        path: Where it is.
        place: Its name below the folder that was given, with that folder's name where several
            were; its bare name if it was given itself.
    """

    path: Path
    place: Path


def photo_files(paths: Iterable[Path]) -> list[Path]:
    """The files of :func:`found_photos`."""
    return [photo.path for photo in found_photos(paths)]


def found_photos(paths: Iterable[Path], besides: Path | None = None) -> list[FoundPhoto]:
    """The photos to work on: files as named, folders searched to their depth, in order of name.

    A file that is named twice, or also lies in a named folder, counts once. Hidden files and
    folders inside a folder are passed over.

    Args:
        paths: Files and folders.
        besides: A folder that is passed over where it lies in another one.

    Raises:
        ImageSourceError: A path is not there, or a folder holds no photo.
    """
    files: dict[Path, FoundPhoto] = {}
    paths = list(paths)
    several = sum(path.is_dir() for path in paths) > 1
    for path in paths:
        if path.is_dir():
            # Resolved, since ".." is no name for a folder.
            above = Path(path.resolve().name) if several else Path()
            found = [
                FoundPhoto(path=file, place=above / file.relative_to(path))
                for file in _folder_photos(path)
                if besides is None or not file.resolve().is_relative_to(besides.resolve())
            ]
            if not found:
                raise ImageSourceError(
                    f"the folder {path} holds no photos; looked for "
                    f"{', '.join(sorted(SUFFIXES))} at any depth"
                )
        elif path.exists():
            found = [FoundPhoto(path=path, place=Path(path.name))]
        else:
            raise ImageSourceError(f"there is no file or folder {path}")
        for photo in found:
            files.setdefault(photo.path.resolve(), photo)
    return list(files.values())


def scored_photos(
    client: PackshotClient, files: Sequence[Path], *, policy: str, max_in_flight: int | None = None
) -> Iterator[ScoredPhoto]:
    """Score ``files``, in order, as the outcomes become known."""
    outcomes = client.score_many(files, policy=policy, max_in_flight=max_in_flight)
    for path, outcome in zip(files, outcomes, strict=True):
        yield ScoredPhoto(path=path, outcome=outcome)


def decision_counts(photos: Iterable[ScoredPhoto]) -> dict[str, int]:
    """How many photos have each decision, best first, and how many failed."""
    counted = Counter(p.result.decision if p.result else FAILED for p in photos)
    return {name: counted[name] for name in (*DECISIONS, FAILED)}


def _folder_photos(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
