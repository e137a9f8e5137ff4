"""The exception tree of the export package.

    ExportError
    ├── UnknownNetworkError    no network of that name
    ├── CalibrationError       images to calibrate or measure with are missing or unreadable
    ├── QuantizationError      a graph that is not the explicit Q/DQ form every runtime takes
    ├── TargetError            the runtime, GPU or package a target needs is not here
    ├── ParityError            a compiled model that does not answer as PyTorch does
    ├── VersionExistsError     the version folder is already there
    ├── VersionError           a version folder that cannot be written, or is not there
    │   └── VerificationError      a version that was tampered with or does not fit this machine
    ├── ConfigurationError     a config.pbtxt that cannot be read or changed
    ├── BusyError              another packshot-export works on the same model
    └── PublishError           a version that was not published; the old one serves on
        └── ServerError            the server cannot be reached, or refuses

Every message says what was got, what was expected and, where there is one, the way out.
"""

from __future__ import annotations


class ExportError(Exception):
    """Base of everything export raises on purpose."""


class UnknownNetworkError(ExportError):
    """No network of that name."""


class CalibrationError(ExportError):
    """Images to calibrate or measure with are missing or unreadable."""


class QuantizationError(ExportError):
    """A graph that is not the explicit Q/DQ form every runtime takes."""


class TargetError(ExportError):
    """The runtime, GPU or package a target needs is not here, or refuses the graph."""


class ParityError(ExportError):
    """A compiled model that does not answer as PyTorch does."""


class VersionExistsError(ExportError):
    """The version folder is already there."""


class VersionError(ExportError):
    """A version folder that cannot be written, or is not there."""


class VerificationError(VersionError):
    """A version that was tampered with, or does not fit this machine."""


class ConfigurationError(ExportError):
    """A ``config.pbtxt`` that cannot be read or changed."""


class BusyError(ExportError):
    """Another packshot-export works on the same model."""


class PublishError(ExportError):
    """A version that was not published; the old one serves on."""


class ServerError(PublishError):
    """The server cannot be reached, or refuses."""
