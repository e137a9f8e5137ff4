"""What callers may ask of the generator."""

from __future__ import annotations

from typing import Any

import pytest

from packshot.contracts import CATEGORIES, LARGEST_SEED, MOST_AT_ONCE
from packshot.errors import ContractError
from packshot.generation.requests import GenerationRequest, known_category


@pytest.mark.parametrize("name", ["casual_shoes", "Casual shoes", " CASUAL-SHOES "])
def test_categories_are_read_kindly(name: str) -> None:
    assert known_category(name) == "casual_shoes"
    assert GenerationRequest(category=name).category_number == CATEGORIES.index("casual_shoes")


def test_unknown_category_lists_the_known() -> None:
    with pytest.raises(ContractError) as caught:
        known_category("watchs")
    assert all(category in str(caught.value) for category in CATEGORIES)
    assert "Did you mean watches?" in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"count": 0}, r"COUNT must be 1 to 1,000, got 0\."),
        ({"count": 10_000}, r"COUNT must be 1 to 1,000, got 10,000\."),
        ({"count": 17, "most": MOST_AT_ONCE}, "1 to 16, got 17. For up to 1,000 call generate_st"),
        ({"seed": -1}, "SEED must be 0 to 9007199254740991"),
        ({"seed": LARGEST_SEED, "count": 2}, "at most 9007199254740990 for 2 pictures"),
        ({"truncation": -0.1}, "TRUNCATION must be 0 .* to 1 .*, got -0.1"),
        ({"truncation": 1.01}, "got 1.01"),
        ({"truncation": float("nan")}, "got nan"),
        ({"scale": 3}, "SCALE must be 1, 2 or 4, got 3"),
        ({"min_score": 100.5}, "MIN_SCORE must be 0 to 100, got 100.5"),
        ({"min_score": float("nan")}, "MIN_SCORE must be 0 to 100, got nan"),
    ],
)
def test_values_out_of_range_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ContractError, match=words):
        GenerationRequest(**{"category": "watches", **wrong})


def test_the_ends_of_the_ranges_are_taken() -> None:
    GenerationRequest(category="belts", seed=0, count=1000, truncation=0.0, min_score=0.0)
    GenerationRequest(category="belts", seed=LARGEST_SEED, truncation=1.0, min_score=100.0)


def test_tries_are_bounded() -> None:
    request = GenerationRequest(category="belts", seed=1, count=3, min_score=50.0)
    assert request.tries(8) == 24
    assert GenerationRequest(category="belts", seed=1, count=3).tries(8) == 3
    last = GenerationRequest(category="belts", seed=LARGEST_SEED - 1, min_score=50.0)
    assert last.tries(8) == 2, "no seed past the largest"


def test_absent_seeds_are_drawn() -> None:
    assert len({GenerationRequest(category="belts").seed for _ in range(20)}) == 20
