"""Attribute scores to decision and advice; marketplace profiles as TOML data."""

from __future__ import annotations

from packshot.policy.book import PolicyBook, load_policy, open_book
from packshot.policy.judgement import judge
from packshot.policy.profile import Policy
from packshot.policy.rules import Rule, Text
from packshot.policy.verdict import Advice, Reason, Verdict

__all__ = [
    "Advice",
    "Policy",
    "PolicyBook",
    "Reason",
    "Rule",
    "Text",
    "Verdict",
    "judge",
    "load_policy",
    "open_book",
]
