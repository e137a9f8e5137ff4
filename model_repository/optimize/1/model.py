"""Serves optimize."""

from packshot.serving.optimize import TritonPythonModel

__all__ = ["TritonPythonModel"]
