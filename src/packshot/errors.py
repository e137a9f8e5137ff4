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
    ├── EditError                  a picture, mask or option that an edit cannot work with
    ├── BackfillError              a table, network or folder that a back-fill cannot use
    ├── TrainingError              data or configuration that cannot be trained on
    └── ServingError               the server cannot be started, or did not stop
        ├── MissingDependencyError     tritonserver, libpython or a Python package is not there
        ├── PortInUseError             a port is taken
        ├── ModelRepositoryError       a model's files are missing
        ├── ServerStartError           tritonserver ended or was not ready in time
        ├── UnreachableError           the server cannot be reached, or did not answer in time
        ├── ModelCallError             a served model that another one calls did not answer
        └── RequestCancelledError      the caller no longer waits

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


class EditError(PackshotError):
    """A picture, mask or option that an edit cannot work with."""


class TrainingError(PackshotError):
    """Data or configuration that cannot be trained on."""


class BackfillError(PackshotError):
    """A table, network or folder that a back-fill cannot use."""


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


class UnreachableError(ServingError):
    """The server cannot be reached, or did not answer in time."""


class ModelCallError(ServingError):
    """A served model that another one calls did not answer.

    Attributes:
        status: Triton's name for it: UNAVAILABLE where it is worth another try, else INTERNAL.
    """

    def __init__(self, message: str, *, status: str) -> None:
        super().__init__(message)
        self.status = status


class RequestCancelledError(ServingError):
    """The caller no longer waits."""
