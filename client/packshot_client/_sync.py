"""The client for threads."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from types import TracebackType
from typing import TypeVar

from packshot.contracts import DEFAULT_POLICY
from packshot_client._addresses import Address
from packshot_client._calls import Call
from packshot_client._config import ClientConfig
from packshot_client._core import ClientCore
from packshot_client._exceptions import ClientError, RequestError
from packshot_client._images import ImageSource
from packshot_client._models import QUALITY_MODEL, Inputs, Model
from packshot_client._packs import (
    ManyOptions,
    Pack,
    ScoredImage,
    ScoreOutcome,
    many_options,
    pack_calls,
    packs,
    read_pack,
)
from packshot_client._pixels import PixelSource, view_bytes
from packshot_client._results import (
    Health,
    ModelState,
    ModelStatistics,
    PixelScore,
    QualityResult,
)
from packshot_client._threads import ThreadTransport

_ResultT = TypeVar("_ResultT")


class PackshotClient:
    """Scores product photos on packshot servers.

        with PackshotClient("localhost:8001") as client:
            result = client.score("photo.jpg")
            print(result.score, result.decision, result.attributes.sharpness)

    Threads may share one client; make one for the whole process. It connects on first use, and
    from then on belongs to its process: after a fork, the child makes its own.

    Args:
        address: ``host:port`` of a server's gRPC port; several of them, as a list or with commas,
            which then share the calls; or ``dns:///host:port``, a name whose every address is
            such a server.
        config: Deadlines, retries, connections, security and more.

    Raises:
        ConfigError: ``address`` is not one, or ``config`` names files that cannot be read.
    """

    def __init__(self, address: Address, *, config: ClientConfig | None = None) -> None:
        self._core = ClientCore(address, config)
        self._calls = self._core.calls
        self._transport = ThreadTransport(self._core.dispatcher)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._core.target)!r})"

    def __enter__(self) -> PackshotClient:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; calls under way are cancelled. Safe to repeat."""
        self._tell(self._core.close_region())
        self._transport.close()

    def warm_up(self, *, timeout_s: float = 10.0) -> Health:
        """Connect to every replica and score a small test image, so that no caller waits for it.

        Args:
            timeout_s: How long to wait for connections.
        """
        self._transport.connect(timeout_s)
        return self.health()

    def score(
        self,
        image: ImageSource,
        *,
        policy: str = DEFAULT_POLICY,
        timeout_s: float | None = None,
        request_id: str | None = None,
        canary_key: str | None = None,
    ) -> QualityResult:
        """The verdict on one image.

        Args:
            image: A path, an encoded file as bytes, an open binary file, a Pillow image, or an
                array of uint8 (see :data:`ImageSource`).
            policy: Name of the marketplace policy that decides.
            timeout_s: Deadline, also told to the server; ``None`` for the configured one.
            request_id: Comes back in the result and in the server's log; ``None`` makes one.
            canary_key: With a canary: calls with the same key go to the same version.

        Raises:
            ConfigError: An argument cannot be used.
            ImageSourceError: The image cannot be read.
            InvalidInputError: The server cannot take the image, or does not know the policy.
            RequestError: The call failed in another way.
        """
        return self.run(
            QUALITY_MODEL,
            self._calls.quality_inputs(image, policy),
            timeout_s=timeout_s,
            request_id=request_id,
            canary_key=canary_key,
        )

    def run(
        self,
        model: Model[_ResultT],
        inputs: Inputs,
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
        canary_key: str | None = None,
    ) -> _ResultT:
        """The result of any described model for one item; :meth:`score` is this for ``quality``.

        Args:
            model: Its description.
            inputs: By tensor name: image sources, and texts.
            timeout_s: As for :meth:`score`.
            request_id: As for :meth:`score`.
            canary_key: As for :meth:`score`.

        Raises:
            ClientError: As for :meth:`score`.
        """
        call = self._calls.run(
            model, inputs, timeout_s=timeout_s, request_id=request_id, canary_key=canary_key
        )
        return self._transport.send(call)[0]

    def score_pixels(
        self,
        pixels: PixelSource,
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> PixelScore:
        """What the network alone says about a decoded image; no policy, decision or advice.

        With ``shared_memory`` in the configuration the pixels are handed over in memory, which
        needs a server on the same host and of the same user.

        Args:
            pixels: [H, W, 3] uint8 in sRGB or a Pillow image, whose views are cut here with
                ``packshot[imaging]``; or ready-made :class:`PixelViews`.
            timeout_s: As for :meth:`score`.
            request_id: As for :meth:`score`.

        Raises:
            ConfigError: ``packshot[imaging]`` or shared memory is needed and not there.
            ImageSourceError: The pixels are of another shape or type.
            RequestError: The call failed.
        """
        views = view_bytes(pixels)
        self._tell(self._core.open_region())
        region = self._core.region
        with region.slot() if region is not None else nullcontext() as offset:
            call = self._core.score_pixels(
                views, offset, timeout_s=timeout_s, request_id=request_id
            )
            return self._transport.send(call, region)[0]

    def score_many(
        self,
        images: Iterable[ImageSource],
        *,
        policy: str = DEFAULT_POLICY,
        timeout_s: float | None = None,
        max_in_flight: int | None = None,
        batch_size: int | None = None,
    ) -> Iterator[ScoreOutcome]:
        """The verdicts on any number of images, in order, as they become known.

        Images travel ``batch_size`` to a call. An image that fails gives its error as a value,
        and the others their results: a call that the server refuses for one bad image is taken
        apart and sent again image by image. ``images`` is read no further ahead than
        ``max_in_flight`` calls.

        Args:
            images: As for :meth:`score`.
            policy: As for :meth:`score`, for all of them.
            timeout_s: As for :meth:`score`, for each call.
            max_in_flight: Calls under way at a time; ``None`` for the configured number.
            batch_size: Images of a call; ``None`` for the configured number.

        Raises:
            ConfigError: An argument cannot be used; raised here, before the first image.
        """
        options = many_options(
            self._calls,
            policy=policy,
            timeout_s=timeout_s,
            batch_size=batch_size,
            max_in_flight=max_in_flight,
        )
        scored = self._scored(images, options, _oldest)
        return (image.outcome for image in scored)

    def score_as_completed(
        self,
        images: Iterable[ImageSource],
        *,
        policy: str = DEFAULT_POLICY,
        timeout_s: float | None = None,
        max_in_flight: int | None = None,
        batch_size: int | None = None,
    ) -> Iterator[ScoredImage]:
        """As :meth:`score_many`, but in the order of completion, each with its place."""
        options = many_options(
            self._calls,
            policy=policy,
            timeout_s=timeout_s,
            batch_size=batch_size,
            max_in_flight=max_in_flight,
        )
        return self._scored(images, options, _first_done)

    def server_ready(self, *, timeout_s: float | None = None) -> bool:
        """Whether the server says that it is ready; ``False`` too if nobody answers."""
        try:
            return self._transport.send(self._calls.server_ready(timeout_s))
        except RequestError:
            return False

    def health(self) -> Health:
        """What the server says about itself, and whether it scores a small test image."""
        ready = self._outcome(self._calls.server_ready())
        version = self._outcome(self._calls.server_version())
        started = time.perf_counter()
        test = self._outcome(self._calls.test_image())
        latency_s = time.perf_counter() - started
        address = str(self._core.target)
        return self._calls.health(
            address, ready=ready, version=version, test=test, latency_s=latency_s
        )

    def models(self) -> tuple[ModelState, ...]:
        """The models in the server's repository, and which of them are ready.

        Raises:
            RequestError: The call failed.
        """
        return self._transport.send(self._calls.models())

    def stats(self, model: str = "") -> tuple[ModelStatistics, ...]:
        """What the server's models have done since it started.

        Args:
            model: Name of one; empty for all.

        Raises:
            RequestError: The call failed.
        """
        return self._transport.send(self._calls.stats(model))

    def _outcome(self, call: Call[_ResultT]) -> _ResultT | RequestError:
        try:
            return self._transport.send(call)
        except RequestError as error:
            return error

    def _tell(self, calls: list[Call[object]]) -> None:
        for call in calls:
            with suppress(ClientError):
                self._transport.send(call)

    def _pack_outcomes(self, pack: Pack, options: ManyOptions) -> list[ScoredImage]:
        steps = pack_calls(self._calls, read_pack(self._calls, pack, options.policy), options)
        try:
            call = next(steps)
            while True:
                call = steps.send(self._outcome(call))
        except StopIteration as end:
            return [
                ScoredImage(index=pack.first + place, outcome=outcome)
                for place, outcome in enumerate(end.value)
            ]

    def _scored(
        self,
        images: Iterable[ImageSource],
        options: ManyOptions,
        take: Callable[[deque[Future[list[ScoredImage]]]], Future[list[ScoredImage]]],
    ) -> Iterator[ScoredImage]:
        pool = ThreadPoolExecutor(options.max_in_flight, thread_name_prefix="packshot-score")
        running: deque[Future[list[ScoredImage]]] = deque()
        try:
            for pack in packs(images, options.batch_size):
                if len(running) == options.max_in_flight:
                    yield from take(running).result()
                running.append(pool.submit(self._pack_outcomes, pack, options))
            while running:
                yield from take(running).result()
        finally:
            # Not waited for: whoever stops early wants to go on, and each call has a deadline.
            pool.shutdown(wait=False, cancel_futures=True)


def _oldest(running: deque[Future[_ResultT]]) -> Future[_ResultT]:
    return running.popleft()


def _first_done(running: deque[Future[_ResultT]]) -> Future[_ResultT]:
    done = next(iter(wait(running, return_when=FIRST_COMPLETED).done))
    running.remove(done)
    return done
