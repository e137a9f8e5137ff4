"""Requests over gRPC, through packshot_client as its users call it, but without its retries: a
load test wants to see each failure."""

from __future__ import annotations

import grpc
import numpy as np

from packshot.contracts import GLOBAL_VIEW, LEARNED_ATTRIBUTES
from packshot_client import (
    ClientConfig,
    ClientError,
    ConfigError,
    DeadlineExceededError,
    PackshotClient,
    PixelViews,
    QualityResult,
    Retries,
    Security,
    ServerOverloadedError,
    ServerUnavailableError,
    Tls,
)
from packshot_loadtest.answers import Answer, picture_answer, score_answer
from packshot_loadtest.errors import SettingsError
from packshot_loadtest.generator.calls import (
    CallFailedError,
    Payloads,
    Target,
)
from packshot_loadtest.mix import PAGE_SIZE, RequestKind
from packshot_loadtest.results.outcomes import Outcome

_OUTCOMES: dict[type[ClientError], Outcome] = {
    ServerOverloadedError: Outcome.REJECTED,
    DeadlineExceededError: Outcome.TIMEOUT,
    ServerUnavailableError: Outcome.UNAVAILABLE,
}


def open_channel(target: Target) -> grpc.Channel:
    """A channel to the server, over TLS where the target says so.

    Raises:
        SettingsError: A certificate or key cannot be read.
    """
    tls = _tls(target)
    if tls is None:
        return grpc.insecure_channel(target.grpc)
    try:
        return grpc.secure_channel(target.grpc, tls.channel_credentials())
    except ConfigError as error:
        raise SettingsError(str(error)) from error


def _tls(target: Target) -> Tls | None:
    if not target.tls_ca:
        return None
    own = {"certificate": target.tls_certificate, "key": target.tls_key}
    return Tls(ca=target.tls_ca, **(own if target.tls_key else {}))


class GrpcCaller:
    """Asks over gRPC.

    Args:
        target: Which server.
        payloads: What to send.
    """

    def __init__(self, target: Target, payloads: Payloads) -> None:
        self._photos = payloads.photos
        self._payloads = payloads
        self._views = [_views(pair) for pair in payloads.views]
        config = ClientConfig(
            timeout_s=target.timeout_s,
            retries=Retries(max_attempts=1),
            security=Security(tls=_tls(target)),
            shared_memory=target.shared_memory and bool(payloads.views),
        )
        self._client = PackshotClient(target.grpc, config=config)

    def call(self, kind: RequestKind, item: int) -> list[Answer]:
        """Ask about one payload; the answers, of a page one per photo.

        Raises:
            CallFailedError: There is no answer.
        """
        try:
            return self._answers(kind, item)
        except ClientError as error:
            raise _failure(error) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _answers(self, kind: RequestKind, item: int) -> list[Answer]:
        if kind.action == "score":
            return [_quality_answer(self._client.score(self._photos[item]))]
        if kind.action == "page":
            photos = [self._photos[number] for number in self._payloads.page(item)]
            # One call for the page: what a search service asks for at once.
            outcomes = list(self._client.score_many(photos, batch_size=PAGE_SIZE))
            return [_quality_answer(outcome) for outcome in outcomes]
        if kind.action == "pixels":
            result = self._client.score_pixels(self._views[item])
            values = result.attributes.as_dict()
            return [score_answer(result.score, [values[name] for name in LEARNED_ATTRIBUTES])]
        return [picture_answer(self._picture(kind, item))]

    def _picture(self, kind: RequestKind, item: int) -> bytes:
        photo = self._photos[item]
        if kind.action == "enhance":
            return self._client.enhance(photo).data
        if kind.action == "upscale":
            return self._client.upscale(photo).data
        if kind.action == "optimize":
            return self._client.optimize(photo).data
        made = self._client.generate(self._payloads.category(item), seed=item)
        return made.pictures[0].data


def _views(pair: tuple[bytes, bytes]) -> PixelViews:
    first, second = (
        np.frombuffer(data, dtype=np.uint8).reshape(GLOBAL_VIEW.shape) for data in pair
    )
    return PixelViews(global_view=first, fragments=second)


def _quality_answer(outcome: QualityResult | ClientError) -> Answer:
    if isinstance(outcome, ClientError):
        raise outcome
    return score_answer(outcome.score, list(outcome.attributes.as_dict().values()))


def _failure(error: ClientError) -> CallFailedError:
    found = (outcome for kind, outcome in _OUTCOMES.items() if isinstance(error, kind))
    # Not str(error): that names the request, and each would be a message of its own.
    words = f"{type(error).__name__}: {error.message}"
    return CallFailedError(next(found, Outcome.FAILED), words)
