"""The thin client of packshot: typed verdicts on product photos, over gRPC.

    from packshot_client import PackshotClient

    with PackshotClient("localhost:8001") as client:
        result = client.score("photo.jpg")

:class:`AsyncPackshotClient` has the same methods for asyncio. Importing this package reads no
environment variable, configures no logging, and loads nothing heavier than gRPC and numpy.
"""

from packshot_client._async import AsyncPackshotClient
from packshot_client._calls import ScoreOutcome
from packshot_client._config import ClientConfig
from packshot_client._exceptions import (
    AccessDeniedError,
    CallRecord,
    ClientClosedError,
    ClientError,
    ConfigError,
    DeadlineExceededError,
    ImageSourceError,
    InvalidInputError,
    InvalidResponseError,
    ModelNotFoundError,
    RequestCancelledError,
    RequestError,
    ServerFaultError,
    ServerOverloadedError,
    ServerUnavailableError,
    UnknownPolicyError,
)
from packshot_client._requests import ImageSource
from packshot_client._results import (
    Advice,
    Attributes,
    Composition,
    Health,
    ImageFacts,
    QualityResult,
    Reason,
    Text,
)
from packshot_client._sync import PackshotClient

__all__ = [
    "AccessDeniedError",
    "Advice",
    "AsyncPackshotClient",
    "Attributes",
    "CallRecord",
    "ClientClosedError",
    "ClientConfig",
    "ClientError",
    "Composition",
    "ConfigError",
    "DeadlineExceededError",
    "Health",
    "ImageFacts",
    "ImageSource",
    "ImageSourceError",
    "InvalidInputError",
    "InvalidResponseError",
    "ModelNotFoundError",
    "PackshotClient",
    "QualityResult",
    "Reason",
    "RequestCancelledError",
    "RequestError",
    "ScoreOutcome",
    "ServerFaultError",
    "ServerOverloadedError",
    "ServerUnavailableError",
    "Text",
    "UnknownPolicyError",
]
