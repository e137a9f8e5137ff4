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
from packshot_client._generation import Generate
from packshot_client._images import ImageSource
from packshot_client._models import Model
from packshot_client._observation import CallEvent
from packshot_client._operations import Enhance, Operation, Optimize, Score, Upscale
from packshot_client._outputs import UnreadableError
from packshot_client._packs import Completed, Outcome, ScoredImage, ScoreOutcome
from packshot_client._picture_answers import image_results
from packshot_client._pictures import (
    BeyondRepair,
    GeneratedPicture,
    GeneratedPictures,
    GenerationSummary,
    ImageResult,
    OptimizationStep,
    OptimizedPicture,
    OutputFormat,
    Picture,
)
from packshot_client._pixels import PixelSource, PixelViews
from packshot_client._results import (
    Advice,
    Attributes,
    Composition,
    ImageFacts,
    LearnedAttributes,
    PixelScore,
    QualityResult,
    Reason,
    Text,
)
from packshot_client._security import Security, Tls
from packshot_client._server_facts import Health, ModelState, ModelStatistics
from packshot_client._sync import PackshotClient
from packshot_client._task_streams import AsyncPictureStream
from packshot_client._thread_streams import PictureStream

__all__ = [
    "AccessDeniedError",
    "Address",
    "Advice",
    "AsyncPackshotClient",
    "AsyncPictureStream",
    "Attributes",
    "BeyondRepair",
    "CallEvent",
    "CallRecord",
    "Canary",
    "ClientClosedError",
    "ClientConfig",
    "ClientError",
    "Completed",
    "Composition",
    "ConfigError",
    "Connections",
    "DeadlineExceededError",
    "Enhance",
    "ForeignUseError",
    "Generate",
    "GeneratedPicture",
    "GeneratedPictures",
    "GenerationSummary",
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
    "Operation",
    "OptimizationStep",
    "Optimize",
    "OptimizedPicture",
    "Outcome",
    "OutputFormat",
    "PackshotClient",
    "Picture",
    "PictureStream",
    "PixelScore",
    "PixelSource",
    "PixelViews",
    "QualityResult",
    "Reason",
    "RequestCancelledError",
    "RequestError",
    "Retries",
    "Score",
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
    "Upscale",
    "image_results",
]
