"""Serves decode_image."""

from packshot.serving.decode_image import TritonPythonModel

__all__ = ["TritonPythonModel"]
