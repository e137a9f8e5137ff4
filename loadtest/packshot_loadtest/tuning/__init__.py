"""Variants of a model repository side by side: which setting serves photos best here."""
