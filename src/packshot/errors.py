"""The exception tree of the core package.

    PackshotError
    ├── ImageError                 the caller's image cannot be taken
    │   ├── EmptyImageError            no bytes at all
    │   ├── ImageTooLargeError         more bytes, pixels or a longer side than the limits allow
    │   ├── UnsupportedFormatError     not a picture format we read
    │   └── CorruptImageError          truncated or damaged
    ├── PolicyError
    │   ├── UnknownPolicyError         no policy of that name
    │   └── InvalidPolicyError         a policy file that cannot be used
    ├── ContractError              a tensor of another shape or dtype than the contract's
    ├── WeightsError               a weights file that does not fit its network
    ├── TrainingError              data or configuration that cannot be trained on
    └── ServingError               the server cannot be started, or did not stop
        ├── MissingDependencyError     tritonserver, libpython or a Python package is not there
        ├── PortInUseError             a port is taken
        ├── ModelRepositoryError       a model's files are missing
        └── ServerStartError           tritonserver ended or was not ready in time

Every message says what was got, what was expected and, where there is one, the way out.
"""

from __future__ import annotations


class PackshotError(Exception):
    """Base of everything the core raises on purpose."""


class ImageError(PackshotError):
    """The caller's image cannot be taken."""


class EmptyImageError(ImageError):
    """No bytes at all."""


class ImageTooLargeError(ImageError):
    """More bytes or pixels, or a longer side, than the limits allow."""


class UnsupportedFormatError(ImageError):
    """Not a picture format we read."""


class CorruptImageError(ImageError):
    """Truncated or damaged."""


class PolicyError(PackshotError):
    """Something is wrong with a policy."""


class UnknownPolicyError(PolicyError):
    """No policy of that name."""


class InvalidPolicyError(PolicyError):
    """A policy file that cannot be used."""


class ContractError(PackshotError):
    """A tensor of another shape or dtype than the contract's."""


class WeightsError(PackshotError):
    """A weights file that does not fit its network."""


class TrainingError(PackshotError):
    """Data or configuration that cannot be trained on."""


class ServingError(PackshotError):
    """The server cannot be started, or did not stop."""


class MissingDependencyError(ServingError):
    """tritonserver, libpython or a Python package is not there."""


class PortInUseError(ServingError):
    """A port is taken."""


class ModelRepositoryError(ServingError):
    """A model's files are missing."""


class ServerStartError(ServingError):
    """tritonserver ended or was not ready in time."""
