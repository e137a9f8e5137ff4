"""Packs: one operation on many images in few calls, and each image its own outcome.

Triton fails a request as a whole, so one bad image fails the others of its pack with
INVALID_ARGUMENT. They are then sent again one by one: the good ones are scored and the bad ones
get their own words. An unknown policy is no image's fault and is not tried again.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, TypeAlias, TypeVar

from packshot_client._calls import Call, CallFactory
from packshot_client._exceptions import (
    ClientError,
    ConfigError,
    ImageSourceError,
    InvalidInputError,
    UnknownPolicyError,
)
from packshot_client._images import ImageSource
from packshot_client._operations import Operation
from packshot_client._results import QualityResult

_ResultT = TypeVar("_ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)

Outcome: TypeAlias = _ResultT | ClientError
"""What became of one of many images: its result, or why there is none."""

ScoreOutcome: TypeAlias = QualityResult | ClientError
"""The same of an image that was to be scored."""

MAX_PACK_BYTES: Final = 16 * 1024 * 1024
"""Images of one call together; more would only make the others wait."""

Element: TypeAlias = dict[str, bytes] | ClientError
PackCalls: TypeAlias = Generator[
    Call[tuple[_ResultT, ...]], "tuple[_ResultT, ...] | ClientError", list[_ResultT | ClientError]
]


@dataclass(frozen=True, kw_only=True)
class Completed(Generic[ResultT_co]):
    """One of many images, as completed.

    Attributes:
        index: Its place among the images, from 0.
        outcome: Its result, or why there is none.
    """

    index: int
    outcome: ResultT_co | ClientError


ScoredImage: TypeAlias = Completed[QualityResult]
"""One of many images that were to be scored, as completed."""


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Images that share a call.

    Attributes:
        first: Place of the first among all images, from 0.
        images: As given.
    """

    first: int
    images: tuple[ImageSource, ...]


@dataclass(frozen=True, kw_only=True)
class ManyOptions(Generic[ResultT_co]):
    """What is asked about many images.

    Attributes:
        operation: Applied to each.
        timeout_s: For each call.
        batch_size: Images of a call.
        max_in_flight: Calls under way at a time.
    """

    operation: Operation[ResultT_co]
    timeout_s: float
    batch_size: int
    max_in_flight: int


def many_options(
    calls: CallFactory,
    operation: Operation[_ResultT],
    *,
    timeout_s: float | None,
    batch_size: int | None,
    max_in_flight: int | None,
) -> ManyOptions[_ResultT]:
    """The options with their defaults.

    Raises:
        ConfigError: One cannot be used.
    """
    model = operation.model
    return ManyOptions(
        operation=operation,
        timeout_s=calls.timeout_s(timeout_s, model),
        batch_size=calls.batch_size(batch_size, model),
        max_in_flight=calls.in_flight(max_in_flight, model),
    )


def packs(images: Iterable[ImageSource], size: int) -> Iterator[Pack]:
    """``images`` in order, ``size`` at a time, read no sooner than asked for."""
    source = iter(images)
    first = 0
    while chunk := tuple(islice(source, size)):
        yield Pack(first=first, images=chunk)
        first += len(chunk)


async def packs_of_async(images: AsyncIterable[ImageSource], size: int) -> AsyncIterator[Pack]:
    """As :func:`packs`, of an asynchronous source."""
    first = 0
    chunk: list[ImageSource] = []
    async for image in images:
        chunk.append(image)
        if len(chunk) == size:
            yield Pack(first=first, images=tuple(chunk))
            first += size
            chunk = []
    if chunk:
        yield Pack(first=first, images=tuple(chunk))


def read_pack(calls: CallFactory, pack: Pack, operation: Operation[object]) -> list[Element]:
    """The bytes of each image, or why there are none. Reads image sources, which can block."""

    def element(image: ImageSource) -> Element:
        try:
            inputs = operation.inputs(image)
            return operation.model.elements(inputs, calls.config.max_image_bytes)
        except (ConfigError, ImageSourceError) as error:
            return error

    return [element(image) for image in pack.images]


def pack_calls(
    calls: CallFactory, elements: Sequence[Element], options: ManyOptions[_ResultT]
) -> PackCalls[_ResultT]:
    """The calls for one pack: yields each, is sent its results or its error.

    Returns:
        One outcome per element, in order.
    """
    model = options.operation.model
    outcomes: dict[int, _ResultT | ClientError] = {}
    readable: list[tuple[int, dict[str, bytes]]] = []
    for place, element in enumerate(elements):
        if isinstance(element, ClientError):
            outcomes[place] = element
        else:
            readable.append((place, element))
    groups = list(_groups(readable))
    while groups:
        group = groups.pop(0)
        results = yield calls.infer(
            model,
            model.stacked([element for _, element in group]),
            batch=len(group),
            timeout_s=options.timeout_s,
        )
        if _blames_an_image(results) and len(group) > 1:
            groups[:0] = [[item] for item in group]
        elif isinstance(results, ClientError):
            outcomes.update({place: results for place, _ in group})
        else:
            outcomes.update(
                {place: result for (place, _), result in zip(group, results, strict=True)}
            )
    return [outcomes[place] for place in range(len(elements))]


def _blames_an_image(results: object) -> bool:
    return isinstance(results, InvalidInputError) and not isinstance(results, UnknownPolicyError)


def _groups(
    items: Sequence[tuple[int, dict[str, bytes]]],
) -> Iterator[list[tuple[int, dict[str, bytes]]]]:
    group: list[tuple[int, dict[str, bytes]]] = []
    held = 0
    for item in items:
        size = sum(map(len, item[1].values()))
        alike = not group or item[1].keys() == group[0][1].keys()
        if group and (held + size > MAX_PACK_BYTES or not alike):
            yield group
            group, held = [], 0
        group.append(item)
        held += size
    if group:
        yield group
