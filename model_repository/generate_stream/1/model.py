"""Serves generate_stream."""

from packshot.serving.generate import TritonPythonModel

__all__ = ["TritonPythonModel"]
