"""Attribute scores to decision and advice; marketplace profiles as TOML data."""
