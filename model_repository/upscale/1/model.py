"""Serves upscale."""

from packshot.serving.upscale import TritonPythonModel

__all__ = ["TritonPythonModel"]
