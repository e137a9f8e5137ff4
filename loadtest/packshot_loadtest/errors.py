"""The exception tree of load tests, each with the exit code of ``packshot-loadtest``.

    LoadTestError
    ├── SettingsError             2   a setting that cannot be used
    ├── UnreachableServerError    4   nobody answers at the address
    ├── UnknownModelError         5   the server or the client does not have that model
    ├── NoPhotosError             6   no photos, or none that the server takes
    ├── SloFileError              7   an SLO file that cannot be used
    ├── TraceError                8   a trace that cannot be replayed
    ├── RateError                 9   a rate that this generator cannot produce
    ├── GeneratorError           10   the generator ended without a result
    ├── ResultFileError          11   not a result file of packshot-loadtest
    ├── ScenarioError            12   a scenario that cannot be run here
    └── PeerError                13   a peer's environment or server did not come up

Codes that are no errors: 0 all well, 1 an SLO missed, a wrong answer, a verdict of "fail" or a
regression, 3 the generator was itself the bottleneck (nothing is proved), 130 stopped by Ctrl-C.
"""

from __future__ import annotations

from typing import ClassVar, Final

PASSED: Final = 0
FAILED: Final = 1
INVALID: Final = 3
INTERRUPTED: Final = 130


class LoadTestError(Exception):
    """Base of everything the load tests raise on purpose."""

    exit_code: ClassVar[int] = 2


class SettingsError(LoadTestError):
    """A setting that cannot be used."""


class UnreachableServerError(LoadTestError):
    """Nobody answers at the address."""

    exit_code = 4


class UnknownModelError(LoadTestError):
    """The server or the client does not have that model."""

    exit_code = 5


class NoPhotosError(LoadTestError):
    """No photos, or none that the server takes."""

    exit_code = 6


class SloFileError(LoadTestError):
    """An SLO file that cannot be used."""

    exit_code = 7


class TraceError(LoadTestError):
    """A trace that cannot be replayed."""

    exit_code = 8


class RateError(LoadTestError):
    """A rate that this generator cannot produce."""

    exit_code = 9


class GeneratorError(LoadTestError):
    """The generator ended without a result."""

    exit_code = 10


class ResultFileError(LoadTestError):
    """Not a result file of packshot-loadtest."""

    exit_code = 11


class ScenarioError(LoadTestError):
    """A scenario that cannot be run here."""

    exit_code = 12


class PeerError(LoadTestError):
    """A peer's environment or server did not come up."""

    exit_code = 13
