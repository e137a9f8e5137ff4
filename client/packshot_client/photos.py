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


def photo_files(paths: Iterable[Path]) -> list[Path]:
    """The files to score: files as named, folders searched to their depth, in order of name.

    A file that is named twice, or also lies in a named folder, counts once. Hidden files and
    folders inside a folder are passed over.

    Raises:
        ImageSourceError: A path is not there, or a folder holds no photo.
    """
    files: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            found = _folder_photos(path)
            if not found:
                raise ImageSourceError(
                    f"the folder {path} holds no photos; looked for "
                    f"{', '.join(sorted(SUFFIXES))} at any depth"
                )
        elif path.exists():
            found = [path]
        else:
            raise ImageSourceError(f"there is no file or folder {path}")
        for file in found:
            files.setdefault(file.resolve(), file)
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
