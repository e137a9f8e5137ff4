"""The client for threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext

from packshot.contracts import DEFAULT_POLICY, SCALES
from packshot_client._images import ImageSource
from packshot_client._operations import Enhance, Optimize, Score, Upscale, score_by
from packshot_client._packs import ScoredImage, ScoreOutcome
from packshot_client._pictures import OptimizedPicture, OutputFormat, Picture
from packshot_client._pixels import PixelSource, view_bytes
from packshot_client._results import PixelScore, QualityResult
from packshot_client._sync_generation import GeneratingThreadClient


class PackshotClient(GeneratingThreadClient):
    """Scores, mends and makes product photos on packshot servers.

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
        return self.apply(
            score_by(policy),
            image,
            timeout_s=timeout_s,
            request_id=request_id,
            canary_key=canary_key,
        )

    def score_many(
        self,
        images: Iterable[ImageSource],
        *,
        policy: str = DEFAULT_POLICY,
        timeout_s: float | None = None,
        max_in_flight: int | None = None,
        batch_size: int | None = None,
    ) -> Iterator[ScoreOutcome]:
        """The verdicts on any number of images, in order: :meth:`map` of ``Score``.

        Args:
            images: As for :meth:`score`.
            policy: As for :meth:`score`, for all of them.
            timeout_s: As for :meth:`score`, for each call.
            max_in_flight: Calls under way at a time; ``None`` for the configured number.
            batch_size: Images of a call; ``None`` for the configured number.

        Raises:
            ConfigError: An argument cannot be used; raised here, before the first image.
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
        images: Iterable[ImageSource],
        *,
        policy: str = DEFAULT_POLICY,
        timeout_s: float | None = None,
        max_in_flight: int | None = None,
        batch_size: int | None = None,
    ) -> Iterator[ScoredImage]:
        """As :meth:`score_many`, but in the order of completion, each with its place."""
        return self.map_as_completed(
            Score(policy=policy),
            images,
            timeout_s=timeout_s,
            max_in_flight=max_in_flight,
            batch_size=batch_size,
        )

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

    def enhance(
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
        """The image restored: noise, blur, JPEG blocks, exposure, colour cast, contrast.

        Args:
            image: As for :meth:`score`.
            format: Of the result: ``"jpeg"``, ``"png"`` or ``"webp"``. ``None`` keeps the image's,
                and makes PNG of GIF, BMP and TIFF.
            quality: Of the result, 1-100, for JPEG and WebP; ``None`` leaves it to the server.
            max_side: Longest side of the result in pixels; ``None`` is no limit.
            timeout_s: As for :meth:`score`; ``None`` for two minutes, or as configured.
            request_id: As for :meth:`score`.
            canary_key: As for :meth:`score`.

        Raises:
            ClientError: As for :meth:`score`.
        """
        return self.apply(
            Enhance(format=format, quality=quality, max_side=max_side),
            image,
            timeout_s=timeout_s,
            request_id=request_id,
            canary_key=canary_key,
        )

    def upscale(
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
        """The image enlarged by a network.

        Args:
            image: As for :meth:`score`.
            scale: 2 or 4.
            format: As for :meth:`enhance`.
            quality: As for :meth:`enhance`.
            max_side: As for :meth:`enhance`.
            timeout_s: As for :meth:`enhance`.
            request_id: As for :meth:`score`.
            canary_key: As for :meth:`score`.

        Raises:
            ClientError: As for :meth:`score`.
        """
        return self.apply(
            Upscale(scale=scale, format=format, quality=quality, max_side=max_side),
            image,
            timeout_s=timeout_s,
            request_id=request_id,
            canary_key=canary_key,
        )

    def optimize(
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
        """The best picture that can be made of the image, both verdicts, and the steps taken.

        Args:
            image: As for :meth:`score`.
            policy: As for :meth:`score`.
            format: As for :meth:`enhance`. An image that nothing helps keeps its own.
            quality: As for :meth:`enhance`.
            timeout_s: As for :meth:`score`; ``None`` for five minutes, or as configured.
            request_id: As for :meth:`score`.
            canary_key: As for :meth:`score`.

        Raises:
            ClientError: As for :meth:`score`.
        """
        return self.apply(
            Optimize(policy=policy, format=format, quality=quality),
            image,
            timeout_s=timeout_s,
            request_id=request_id,
            canary_key=canary_key,
        )
