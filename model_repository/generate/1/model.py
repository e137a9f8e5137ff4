"""Serves generate."""

from packshot.serving.generate import TritonPythonModel

__all__ = ["TritonPythonModel"]
