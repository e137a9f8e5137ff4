"""Soak and chaos scenarios: what goes wrong on purpose, and what must be true nevertheless."""
