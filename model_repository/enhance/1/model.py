"""Serves enhance."""

from packshot.serving.enhance import TritonPythonModel

__all__ = ["TritonPythonModel"]
