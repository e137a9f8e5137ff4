"""The exception tree of the export package.

    ExportError
    ├── UnknownNetworkError    no network of that name
    ├── ParityError            a compiled model that does not answer as PyTorch does
    └── VersionExistsError     the version folder is already there

Every message says what was got, what was expected and, where there is one, the way out.
"""

from __future__ import annotations


class ExportError(Exception):
    """Base of everything export raises on purpose."""


class UnknownNetworkError(ExportError):
    """No network of that name."""


class ParityError(ExportError):
    """A compiled model that does not answer as PyTorch does."""


class VersionExistsError(ExportError):
    """The version folder is already there."""
