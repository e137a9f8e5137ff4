"""The thin client of packshot: typed verdicts on product photos, over gRPC.

    from packshot_client import PackshotClient

    with PackshotClient("localhost:8001") as client:
        result = client.score("photo.jpg")

:class:`AsyncPackshotClient` has the same methods for asyncio. Importing this package reads no
environment variable, configures no logging, and loads nothing heavier than gRPC.
"""

from packshot_client._addresses import Address
from packshot_client._async import AsyncPackshotClient
from packshot_client._config import Canary, ClientConfig, Connections, Hedging, Retries
from packshot_client._exceptions import (
    AccessDeniedError,
    CallRecord,
    ClientClosedError,
    ClientError,
    ConfigError,
    DeadlineExceededError,
    ForeignUseError,
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
from packshot_client._images import ImageSource
from packshot_client._models import Model
from packshot_client._observation import CallEvent
from packshot_client._packs import ScoredImage, ScoreOutcome
from packshot_client._pixels import PixelSource, PixelViews
from packshot_client._responses import UnreadableError, image_results
from packshot_client._results import (
    Advice,
    Attributes,
    Composition,
    Health,
    ImageFacts,
    ImageResult,
    LearnedAttributes,
    ModelState,
    ModelStatistics,
    PixelScore,
    QualityResult,
    Reason,
    Text,
)
from packshot_client._security import Security, Tls
from packshot_client._sync import PackshotClient

__all__ = [
    "AccessDeniedError",
    "Address",
    "Advice",
    "AsyncPackshotClient",
    "Attributes",
    "CallEvent",
    "CallRecord",
    "Canary",
    "ClientClosedError",
    "ClientConfig",
    "ClientError",
    "Composition",
    "ConfigError",
    "Connections",
    "DeadlineExceededError",
    "ForeignUseError",
    "Health",
    "Hedging",
    "ImageFacts",
    "ImageResult",
    "ImageSource",
    "ImageSourceError",
    "InvalidInputError",
    "InvalidResponseError",
    "LearnedAttributes",
    "Model",
    "ModelNotFoundError",
    "ModelState",
    "ModelStatistics",
    "PackshotClient",
    "PixelScore",
    "PixelSource",
    "PixelViews",
    "QualityResult",
    "Reason",
    "RequestCancelledError",
    "RequestError",
    "Retries",
    "ScoreOutcome",
    "ScoredImage",
    "Security",
    "ServerFaultError",
    "ServerOverloadedError",
    "ServerUnavailableError",
    "Text",
    "Tls",
    "UnknownPolicyError",
    "UnreadableError",
    "image_results",
]
