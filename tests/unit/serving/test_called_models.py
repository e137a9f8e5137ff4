"""The parameter by which a Python model names what it calls."""

from __future__ import annotations

import pytest

from packshot.errors import ContractError
from packshot.serving.called_models import NEWEST, calls_text, read_calls


def test_what_is_written_is_read() -> None:
    calls = {"quality_net": 12, "restore_net": NEWEST}
    assert calls_text(calls) == "quality_net:12, restore_net"
    assert read_calls(calls_text(calls)) == calls
    assert read_calls(" a : 3,b,, ") == {"a": 3, "b": NEWEST}
    assert read_calls("") == {}


@pytest.mark.parametrize("text", ["a:", "a:b", "a:0", "a:-1", "a:1:2"])
def test_a_version_must_be_a_number(text: str) -> None:
    with pytest.raises(ContractError, match="name or name:version, got"):
        read_calls(f"fine:1, {text}")
