"""Settings and addresses."""

from __future__ import annotations

from typing import Any

import pytest

from packshot_client import Canary, ClientConfig, ConfigError
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
    ],
)
def test_a_wrong_setting_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must be .* got"):
        ClientConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("model_timeouts_s", {"enhance": 0}, r"model_timeouts_s\['enhance'\] must be .* got 0"),
        ("model_timeouts_s", {7: 1.0}, "a model in model_timeouts_s .* must be a name .* got 7"),
        ("model_versions", {"quality": 3}, r"model_versions\['quality'\] must be .* got 3"),
        ("model_versions", {"quality": "latest"}, "must be a whole number as text, got 'latest'"),
        ("model_versions", {"": "3"}, "or model_versions must be a name .* got ''"),
    ],
)
def test_a_wrong_setting_of_a_model_is_named(name: str, value: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ClientConfig(**{name: value})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": "new"}, "version must be a whole number as text"),
        ({"share": 1.1}, "share must be a number from 0 to 1"),
        ({"model": ""}, "model must be a name"),
        ({"version": ""}, "either a version or served_as another name"),
        ({"served_as": "quality_canary"}, "got version='2' and served_as='quality_canary'"),
        ({"version": "", "served_as": " "}, "served_as must be a name"),
    ],
)
def test_a_canary_has_a_share_a_model_and_one_place(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Canary(**{"version": "2", "share": 0.1, **changes})


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
