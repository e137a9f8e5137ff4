"""What the client for asyncio does for the generating models."""

from __future__ import annotations

from packshot_client._async_base import TaskClient
from packshot_client._generation import Generate
from packshot_client._pictures import GeneratedPictures, OutputFormat
from packshot_client._task_streams import AsyncPictureStream, stream


class GeneratingTaskClient(TaskClient):
    """Part of :class:`AsyncPackshotClient`, with the methods of its sister for threads."""

    async def generate(
        self,
        category: str,
        *,
        seed: int | None = None,
        count: int = 1,
        truncation: float | None = None,
        scale: int | None = None,
        format: OutputFormat | None = None,  # noqa: A002
        min_score: float | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> GeneratedPictures:
        """Pictures of products that do not exist, as :meth:`PackshotClient.generate`."""
        operation = Generate(
            category=category,
            seed=seed,
            count=count,
            truncation=truncation,
            scale=scale,
            format=format,
            min_score=min_score,
        )
        call = self._calls.generate(operation, timeout_s=timeout_s, request_id=request_id)
        return (await self._transport.send(call))[0]

    def generate_stream(
        self,
        category: str,
        *,
        seed: int | None = None,
        count: int = 1,
        truncation: float | None = None,
        scale: int | None = None,
        format: OutputFormat | None = None,  # noqa: A002
        min_score: float | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> AsyncPictureStream:
        """Each picture as soon as it is there, as :meth:`PackshotClient.generate_stream`."""
        operation = Generate(
            category=category,
            seed=seed,
            count=count,
            truncation=truncation,
            scale=scale,
            format=format,
            min_score=min_score,
            streamed=True,
        )
        call = self._calls.generate(operation, timeout_s=timeout_s, request_id=request_id)
        return AsyncPictureStream(stream(self._transport, call))
