"""What the client for threads does for the generating models."""

from __future__ import annotations

from packshot_client._generation import Generate
from packshot_client._pictures import GeneratedPictures, OutputFormat
from packshot_client._sync_base import ThreadClient
from packshot_client._thread_streams import PictureStream, stream


class GeneratingThreadClient(ThreadClient):
    """Part of :class:`PackshotClient`, which says what the arguments are."""

    def generate(
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
        """Pictures of products that do not exist, all in one answer.

        They are marked as generated, in their pixels and their metadata. The same category, seed
        and options give the same pictures.

        Args:
            category: What they show, such as ``"watches"``.
            seed: Of the first picture, 0 to 2^53 - 1, the others follow; ``None`` lets the server
                draw one.
            count: How many, 1-16; for more, :meth:`generate_stream`.
            truncation: How far from the usual they may be, 0-1; ``None`` leaves it to the server.
            scale: 1, 2 or 4 times 64 pixels a side; ``None`` leaves it to the server.
            format: ``"jpeg"``, ``"png"`` or ``"webp"``; ``None`` is PNG.
            min_score: Least quality, 0-100: pictures below it are replaced by others, within
                limits, so that fewer than ``count`` may come, or none. ``None`` takes any.
            timeout_s: As for :meth:`score`; ``None`` for a minute, or as configured.
            request_id: As for :meth:`score`.

        Raises:
            ClientError: As for :meth:`score`.
        """
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
        return self._transport.send(call)[0]

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
    ) -> PictureStream:
        """As :meth:`generate`, each picture as soon as it is there, up to 1,000.

        Closing the iterator, or leaving its ``with``, stops the server. The call is sent again
        to another replica only as long as no picture has come.

        Args:
            category: As for :meth:`generate`.
            seed: As for :meth:`generate`.
            count: How many, 1-1,000.
            truncation: As for :meth:`generate`.
            scale: As for :meth:`generate`.
            format: As for :meth:`generate`.
            min_score: As for :meth:`generate`.
            timeout_s: For all pictures together; ``None`` for a minute and half a second for each
                picture that may have to be made.
            request_id: As for :meth:`score`.

        Raises:
            ConfigError: An argument cannot be used; raised here. Other errors are raised where
                the next picture is asked for.
        """
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
        return PictureStream(stream(self._transport, call))
