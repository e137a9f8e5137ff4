"""What is asked for: request kinds, and how often each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from packshot.contracts import ENHANCE, GENERATE, OPTIMIZE, QUALITY, QUALITY_NET, UPSCALE
from packshot_loadtest.errors import SettingsError

Action = Literal["score", "page", "pixels", "enhance", "upscale", "optimize", "generate"]
Protocol = Literal["grpc", "http", "peer"]

ACTIONS: Final[tuple[str, ...]] = get_args(Action)
PROTOCOLS: Final[tuple[str, ...]] = get_args(Protocol)

PAGE_SIZE: Final = 24
"""Photos of one search-result page."""

MODELS: Final[dict[str, str]] = {
    "score": QUALITY.name,
    "page": QUALITY.name,
    "pixels": QUALITY_NET.name,
    "enhance": ENHANCE.name,
    "upscale": UPSCALE.name,
    "optimize": OPTIMIZE.name,
    "generate": GENERATE.name,
}
"""The served model that each action asks."""


@dataclass(frozen=True, kw_only=True)
class RequestKind:
    """One kind of request.

    | action   | asks for                                                            |
    |----------|---------------------------------------------------------------------|
    | score    | the verdict on one encoded photo                                    |
    | page     | the verdicts on a page of 24                                        |
    | pixels   | the network's numbers on decoded views; over gRPC in shared memory  |
    | enhance  | the photo restored                                                  |
    | upscale  | the photo twice as large                                            |
    | optimize | the best picture that can be made of the photo                      |
    | generate | a new picture                                                       |

    Attributes:
        action: What is asked for.
        protocol: ``grpc`` goes through packshot_client, ``http`` through Triton's REST, ``peer``
            posts the photo's bytes to another server.
    """

    action: Action
    protocol: Protocol = "grpc"

    @property
    def label(self) -> str:
        """``action``, with the protocol where it is not gRPC."""
        return self.action if self.protocol == "grpc" else f"{self.action}@{self.protocol}"

    @property
    def model(self) -> str:
        """Model that is asked."""
        return MODELS[self.action]


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Request kinds with their shares, which add up to 1."""

    kinds: tuple[RequestKind, ...]
    shares: tuple[float, ...]

    def draw(self, count: int, *, seed: int) -> npt.NDArray[np.uint8]:
        """The kind of each of ``count`` requests, as indices into ``kinds``."""
        generator = np.random.default_rng([seed, 1])
        return generator.choice(len(self.kinds), size=count, p=self.shares).astype(np.uint8)


def kind_named(text: str) -> RequestKind:
    """The kind that ``score`` or ``score@http`` means.

    Raises:
        SettingsError: There is no such action or protocol.
    """
    action, at, protocol = text.strip().partition("@")
    if action not in ACTIONS:
        raise SettingsError(f"unknown request kind {text!r}, expected one of {', '.join(ACTIONS)}")
    if at and protocol not in PROTOCOLS:
        raise SettingsError(
            f"unknown protocol in {text!r}, expected {' or '.join(PROTOCOLS)} after the @"
        )
    if protocol == "peer" and action != "score":
        raise SettingsError(f"peers are only asked for scores, got {text!r}")
    return RequestKind(action=action, protocol=protocol or "grpc")  # type: ignore[arg-type]


def parse_mix(text: str) -> Mix:
    """Read ``score=80,page=5,pixels=15``; the weights need not add up to anything.

    Raises:
        SettingsError: A kind is unknown or named twice, or a weight is no positive number.
    """
    kinds: list[RequestKind] = []
    weights: list[float] = []
    for part in text.split(","):
        name, equals, number = part.partition("=")
        kind = kind_named(name)
        try:
            weight = float(number) if equals else 1.0
        except ValueError:
            weight = 0.0
        if not 0 < weight < float("inf"):
            raise SettingsError(f"expected a weight above 0 in {part!r}, such as score=80")
        if kind in kinds:
            raise SettingsError(f"{kind.label} is in the mix twice: {text!r}")
        kinds.append(kind)
        weights.append(weight)
    return Mix(kinds=tuple(kinds), shares=tuple(w / sum(weights) for w in weights))
