"""Serves quality."""

from packshot.serving.quality import TritonPythonModel

__all__ = ["TritonPythonModel"]
