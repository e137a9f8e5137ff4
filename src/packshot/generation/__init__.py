"""Generated and edited packshots: sampling, editing, inpainting, backgrounds, provenance."""

from __future__ import annotations

try:
    from packshot.generation.provenance import Provenance, verify
except ModuleNotFoundError as error:
    raise ImportError(
        f"packshot.generation needs {error.name}: pip install 'packshot[imaging]'"
    ) from error

__all__ = ["Provenance", "verify"]
