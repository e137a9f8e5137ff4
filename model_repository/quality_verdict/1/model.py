"""Serves quality_verdict."""

from packshot.serving.quality_verdict import TritonPythonModel

__all__ = ["TritonPythonModel"]
