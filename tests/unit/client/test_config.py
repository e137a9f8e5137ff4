"""Settings and addresses."""

from __future__ import annotations

from typing import Any

import pytest

from packshot_client import ClientConfig, ConfigError
from packshot_client._addresses import parse_address


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout_s", 0),
        ("timeout_s", float("inf")),
        ("timeout_s", "1"),
        ("timeout_s", True),
        ("health_timeout_s", -1),
        ("max_in_flight", 0),
        ("max_in_flight", 1.5),
        ("max_image_bytes", True),
        ("model_version", "latest"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must be .* got"):
        ClientConfig(**{name: value})


def test_a_wrong_deadline_of_a_model_is_named() -> None:
    with pytest.raises(ConfigError, match=r"model_timeouts_s\['enhance'\] must be .* got 0"):
        ClientConfig(model_timeouts_s={"enhance": 0})


@pytest.mark.parametrize(
    "address", ["localhost:8001", "10.0.0.1:1", "[::1]:8001", "dns:///triton:8001", "unix:/a.sock"]
)
def test_addresses_that_grpc_can_use(address: str) -> None:
    assert parse_address(address).replicas == (address.removeprefix("dns:///"),)


@pytest.mark.parametrize(
    "address", ["localhost", "http://localhost:8001", "host:0", "host:70000", "", None, ":8001"]
)
def test_addresses_that_it_cannot(address: Any) -> None:
    with pytest.raises(ConfigError, match=r"host:port .* for example localhost:8001, got"):
        parse_address(address)
