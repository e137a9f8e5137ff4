"""The benchmark of the image models: fair turns, and ratios within a round."""

import pytest

from packshot_loadtest.picture_bench import SERVED, ratios, times_ms


def test_every_contender_takes_a_turn_in_each_round_and_none_is_always_first() -> None:
    asked: list[str] = []
    works = {name: lambda _, name=name: asked.append(name) for name in "abc"}
    times = times_ms(b"", works, rounds=3)
    # Untimed ones first, that load networks.
    assert "".join(asked) == "abc" + "abc" + "bca" + "cab"
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3, "c": 3}


def test_ratios_are_taken_within_a_round() -> None:
    # The machine was slow in the last round, for both.
    times = {SERVED: [10.0, 12.0, 100.0], "other": [20.0, 24.0, 200.0]}
    assert ratios(times) == {"other": pytest.approx(0.5)}
