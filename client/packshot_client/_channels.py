"""Channels: how both clients set up gRPC, and what they make of a health check."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import grpc

from packshot_client._addresses import Target
from packshot_client._config import ClientConfig
from packshot_client._dispatcher import Attempt
from packshot_client._protocol import METHODS, Method, messages
from packshot_client._replicas import Check, Replica
from packshot_client._statuses import is_restricted

ChannelOptions = tuple[tuple[str, int | str], ...]

_RECONNECT_MS: Final = 100
_MAX_RECONNECT_MS: Final = 1000
_CONNECT_TIMEOUT_MS: Final = 3000


class Lane(dict[Method, Any]):
    """One channel, of either kind, and what to call to use its methods, each made once.

    Args:
        channel: A ``grpc.Channel`` or a ``grpc.aio.Channel``.
    """

    def __init__(self, channel: Any) -> None:
        super().__init__()
        self.channel = channel

    def __missing__(self, method: Method) -> Any:
        channel = self.channel
        kind = channel.stream_stream if method.streams else channel.unary_unary
        found = self[method] = kind(
            method.path,
            request_serializer=method.encode,
            response_deserializer=method.decode,
        )
        return found


def channel_options(target: Target, config: ClientConfig, index: int) -> ChannelOptions:
    """The gRPC options of one of the channels to a replica.

    Args:
        target: Where the servers are.
        config: Of the client.
        index: Which of the channels; gRPC gives channels with equal options one connection.
    """
    connections = config.connections
    options: ChannelOptions = (
        # Sizes are limited in ClientConfig, where the message can say what to do about it.
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", _MAX_RECONNECT_MS),
        ("grpc.min_reconnect_backoff_ms", _CONNECT_TIMEOUT_MS),
        ("grpc.keepalive_time_ms", int(connections.keepalive_s * 1000)),
        ("grpc.keepalive_timeout_ms", int(connections.keepalive_timeout_s * 1000)),
        # Retries are the client's own business: gRPC cannot read Triton's words.
        ("grpc.enable_retries", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("packshot.channel", index),
    )
    tls = config.security.tls
    server_name = tls.server_name if tls else ""
    if target.name:
        # Its replicas are dialled by number, but their certificates are for the name.
        options += (("grpc.default_authority", target.name),)
        server_name = server_name or target.name.rpartition(":")[0]
    if tls and server_name:
        options += (("grpc.ssl_target_name_override", server_name),)
    return options


def stream_metadata(attempt: Attempt) -> tuple[tuple[str, str], ...]:
    """The headers of a call with several responses: its errors are to be gRPC statuses."""
    return (*attempt.metadata, ("triton_grpc_error", "true"))


def check_request(replica: Replica) -> tuple[Method, Any]:
    """What to ask a replica to learn whether it lives."""
    if replica.model:
        return METHODS["ModelReady"], messages.ModelReadyRequest(name=replica.model)
    return METHODS["ServerReady"], messages.ServerReadyRequest()


def worst(checks: Iterable[Check]) -> Check:
    """What the checks over all connections of a replica say together.

    Each connection has its own time to dial again, so one may work before another does.
    """
    found = set(checks)
    return next(c for c in (Check.SILENT, Check.REFUSED, Check.ALIVE) if c in found)


def check_of(code: Any, details: str | None, response: Any) -> Check:
    """What the end of a health check says."""
    if code is grpc.StatusCode.OK:
        return Check.ALIVE if response.ready else Check.REFUSED
    if code in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
        return Check.SILENT
    if code in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED):
        return Check.ALIVE
    # A server that keeps its health to itself does live.
    return Check.ALIVE if is_restricted(code, details or "") else Check.REFUSED
