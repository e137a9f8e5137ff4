"""Data, degradations, losses, loops and recipes. Needs the extra ``train``."""
