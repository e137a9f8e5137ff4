"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import nullcontext

from packshot.contracts import DEFAULT_POLICY, SCALES
from packshot_client._async_generation import GeneratingTaskClient
from packshot_client._images import ImageSource
from packshot_client._operations import Enhance, Optimize, Score, Upscale, score_by
from packshot_client._packs import ScoredImage, ScoreOutcome
from packshot_client._pictures import OptimizedPicture, OutputFormat, Picture
from packshot_client._pixels import PixelSource, PixelViews, view_bytes
from packshot_client._results import PixelScore, QualityResult


class AsyncPackshotClient(GeneratingTaskClient):
    """Scores, mends and makes product photos on packshot servers, in asyncio.

        async with AsyncPackshotClient("localhost:8001") as client:
            result = await client.score("photo.jpg")

    The same methods as :class:`PackshotClient`. The tasks of one event loop may share one
    client; it connects in the loop that first uses it, and belongs to that loop. Cancelling a
    task cancels its call.

    Args:
        address: As for :class:`PackshotClient`.
        config: As for :class:`PackshotClient`.

    Raises:
        ConfigError: ``address`` is not one, or ``config`` names files that cannot be read.
    """

    async def score(
        self,
        image: ImageSource,
        *,
        policy: str = DEFAULT_POLICY,
        timeout_s: float | None = None,
        request_id: str | None = None,
        canary_key: str | None = None,
    ) -> QualityResult:
        """The verdict on one image, as :meth:`PackshotClient.score`."""
        return await self.apply(
            score_by(policy),
            image,
            timeout_s=timeout_s,
            request_id=request_id,
            canary_key=canary_key,
        )

    def score_many(
        self,
        images: Iterable[ImageSource] | AsyncIterable[ImageSource],
        *,
        policy: str = DEFAULT_POLICY,
        timeout_s: float | None = None,
        max_in_flight: int | None = None,
        batch_size: int | None = None,
    ) -> AsyncIterator[ScoreOutcome]:
        """The verdicts on any number of images, as :meth:`PackshotClient.score_many`.

        ``images`` may be asynchronous as well.
        """
        return self.map(
            Score(policy=policy),
            images,
            timeout_s=timeout_s,
            max_in_flight=max_in_flight,
            batch_size=batch_size,
        )

    def score_as_completed(
        self,
        images: Iterable[ImageSource] | AsyncIterable[ImageSource],
        *,
        policy: str = DEFAULT_POLICY,
        timeout_s: float | None = None,
        max_in_flight: int | None = None,
        batch_size: int | None = None,
    ) -> AsyncIterator[ScoredImage]:
        """As :meth:`score_many`, but in the order of completion, each with its place."""
        return self.map_as_completed(
            Score(policy=policy),
            images,
            timeout_s=timeout_s,
            max_in_flight=max_in_flight,
            batch_size=batch_size,
        )

    async def score_pixels(
        self,
        pixels: PixelSource,
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> PixelScore:
        """What the network alone says, as :meth:`PackshotClient.score_pixels`."""
        ready_made = isinstance(pixels, PixelViews)
        views = view_bytes(pixels) if ready_made else await asyncio.to_thread(view_bytes, pixels)
        await self._tell(self._core.open_region())
        region = self._core.region
        with region.slot() if region is not None else nullcontext() as offset:
            call = self._core.score_pixels(
                views, offset, timeout_s=timeout_s, request_id=request_id
            )
            return (await self._transport.send(call, region))[0]

    async def enhance(
        self,
        image: ImageSource,
        *,
        format: OutputFormat | None = None,  # noqa: A002
        quality: int | None = None,
        max_side: int | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
        canary_key: str | None = None,
    ) -> Picture:
        """The image restored, as :meth:`PackshotClient.enhance`."""
        return await self.apply(
            Enhance(format=format, quality=quality, max_side=max_side),
            image,
            timeout_s=timeout_s,
            request_id=request_id,
            canary_key=canary_key,
        )

    async def upscale(
        self,
        image: ImageSource,
        scale: int = SCALES[0],
        *,
        format: OutputFormat | None = None,  # noqa: A002
        quality: int | None = None,
        max_side: int | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
        canary_key: str | None = None,
    ) -> Picture:
        """The image enlarged, as :meth:`PackshotClient.upscale`."""
        return await self.apply(
            Upscale(scale=scale, format=format, quality=quality, max_side=max_side),
            image,
            timeout_s=timeout_s,
            request_id=request_id,
            canary_key=canary_key,
        )

    async def optimize(
        self,
        image: ImageSource,
        *,
        policy: str = DEFAULT_POLICY,
        format: OutputFormat | None = None,  # noqa: A002
        quality: int | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
        canary_key: str | None = None,
    ) -> OptimizedPicture:
        """The best that can be made of the image, as :meth:`PackshotClient.optimize`."""
        return await self.apply(
            Optimize(policy=policy, format=format, quality=quality),
            image,
            timeout_s=timeout_s,
            request_id=request_id,
            canary_key=canary_key,
        )
