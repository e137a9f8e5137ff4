"""What both clients are made of, but for the sending and the waiting."""

from __future__ import annotations

from typing import Any

from packshot.contracts import FRAGMENTS, GLOBAL_VIEW
from packshot_client._addresses import Address, parse_address
from packshot_client._calls import Call, CallFactory
from packshot_client._config import ClientConfig
from packshot_client._dispatcher import Dispatcher
from packshot_client._models import PIXEL_MODEL
from packshot_client._pixels import VIEW_BYTES
from packshot_client._requests import SharedPixels, TensorData
from packshot_client._results import PixelScore
from packshot_client._shared_memory import Region, orphans, unregistration

_SLOTS = 32
"""Calls with pixels in shared memory at a time; more send theirs over the network."""


class ClientCore:
    """The state of a client that its face hands to the transport.

    Args:
        address: Of the servers.
        config: ``None`` for the defaults.

    Raises:
        ConfigError: The address or the configuration cannot be used.
    """

    def __init__(self, address: Address, config: ClientConfig | None) -> None:
        config = config or ClientConfig()
        self.target = parse_address(address)
        self.config = config
        self.calls = CallFactory(config)
        self.dispatcher = Dispatcher(self.target, config)
        self.region: Region | None = None

    def open_region(self) -> list[Call[Any]]:
        """Make the shared memory, if it is wanted; the calls that clear away what crashes left."""
        if not self.config.shared_memory or self.region is not None:
            return []
        abandoned = orphans()
        self.region = Region(2 * VIEW_BYTES, _SLOTS)
        return [unregistration(name, self.config.health_timeout_s) for name in abandoned]

    def close_region(self) -> list[Call[Any]]:
        """Let go of the shared memory; the calls that have the servers do so too."""
        region, self.region = self.region, None
        if region is None:
            return []
        region.close()
        known = any(region.name in replica.regions for replica in self.dispatcher.replicas)
        return [unregistration(region.name, self.config.health_timeout_s)] if known else []

    def score_pixels(
        self,
        views: dict[str, bytes],
        offset: int | None,
        *,
        timeout_s: float | None,
        request_id: str | None,
    ) -> Call[tuple[PixelScore, ...]]:
        """Ask the network about one image's views.

        Args:
            views: Raw bytes by tensor name.
            offset: Where in the shared memory to put them; ``None`` sends them along.
            timeout_s: Deadline; ``None`` for the configured one.
            request_id: ``None`` makes one.
        """
        tensors: dict[str, TensorData] = dict(views)
        region = self.region if offset is not None else None
        if region is not None and offset is not None:
            for name in (GLOBAL_VIEW.name, FRAGMENTS.name):
                region.write(offset, views[name])
                tensors[name] = SharedPixels(
                    region=region.name, offset=offset, byte_size=VIEW_BYTES
                )
                offset += VIEW_BYTES
        return self.calls.infer(
            PIXEL_MODEL,
            tensors,
            batch=1,
            timeout_s=self.calls.timeout_s(timeout_s, PIXEL_MODEL),
            request_id=request_id,
            region=region.name if region is not None else "",
        )
