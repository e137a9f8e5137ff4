"""Pictures on disk: an operation on photos, each result in a file, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from packshot_client._exceptions import ClientError, ConfigError
from packshot_client._operations import Operation
from packshot_client._pictures import SUFFIXES, Picture
from packshot_client._sync import PackshotClient
from packshot_client.photos import FoundPhoto, found_photos
from packshot_client.writing import replace_file

PictureT = TypeVar("PictureT", bound=Picture)

_MOST_NAMESAKES: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class MadePicture(Generic[PictureT]):
    """One photo and what was made of it.

    Attributes:
        path: The photo.
        result: Without its data, which is in the file; ``None`` if there is none.
        out: Where the picture is; ``None`` if there is none.
        error: Why there is none.
    """

    path: Path
    result: PictureT | None = None
    out: Path | None = None
    error: ClientError | None = None


def photos_beside(paths: Iterable[Path], out: Path) -> list[FoundPhoto]:
    """The photos to work on, if their results can go to the folder ``out``.

    What an earlier run left in ``out`` is not worked on again, where ``out`` lies in a folder of
    photos.

    Raises:
        ConfigError: A result would lie beside its photo, or ``out`` is a file.
        ImageSourceError: A path is not there, or a folder holds no photo.
    """
    paths = list(paths)
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out must be a folder, and {out} is a file")
    for path in paths:
        if path.is_dir() and path.resolve() == out.resolve():
            raise _in_place(out)
    photos = found_photos(paths, besides=out)
    for photo in photos:
        if photo.path.parent.resolve() == (out / photo.place).parent.resolve():
            raise _in_place(out)
    return photos


def made_pictures(
    client: PackshotClient,
    operation: Operation[PictureT],
    photos: Sequence[FoundPhoto],
    out: Path,
    *,
    max_in_flight: int | None = None,
    timeout_s: float | None = None,
) -> Iterator[MadePicture[PictureT]]:
    """Apply ``operation`` to ``photos``, in order, and save each result as soon as it is known.

    A result has the photo's name, with another ending if it has another format, and a number if
    that name is taken. Files of an earlier run are written anew; a photo is never overwritten.

    Args:
        client: Asks the servers.
        operation: What to do.
        photos: What to do it with.
        out: Folder for the results.
        max_in_flight: Calls under way at a time.
        timeout_s: Deadline of each.
    """
    outcomes = client.map(
        operation,
        (photo.path for photo in photos),
        max_in_flight=max_in_flight,
        timeout_s=timeout_s,
    )
    taken = {_address(photo.path) for photo in photos}
    taken |= {photo.path.resolve() for photo in photos}
    for photo, outcome in zip(photos, outcomes, strict=True):
        if isinstance(outcome, ClientError):
            yield MadePicture(path=photo.path, error=outcome)
            continue
        target = _free_name(out / photo.place, outcome.format, taken)
        taken.add(_address(target))
        try:
            replace_file(target, outcome.data)
        except OSError as error:
            problem = ConfigError(f"{target} cannot be written: {error.strerror or error}")
            yield MadePicture(path=photo.path, error=problem)
        else:
            yield MadePicture(path=photo.path, result=outcome.without_data(), out=target)


def _free_name(place: Path, picture_format: str, taken: set[Path]) -> Path:
    endings = SUFFIXES.get(picture_format, (place.suffix,))
    if place.suffix.lower() not in endings:
        place = place.with_suffix(endings[0])
    names = (
        place.with_name(f"{place.stem}-{number}{place.suffix}") if number > 1 else place
        for number in range(1, _MOST_NAMESAKES)
    )
    return next(name for name in names if _address(name) not in taken)


def _address(path: Path) -> Path:
    # A link is told from what it leads to: it is the link that would be replaced.
    return path.parent.resolve() / path.name


def _in_place(out: Path) -> ConfigError:
    return ConfigError(
        f"the photos lie in {out}, where the results would go: photos are never overwritten, give "
        f"another folder with --out"
    )
