"""Mending photos: restoring, enlarging, and the loop that scores, fixes and scores again.

Free of PyTorch and of Triton: networks come in as functions on arrays, so that the served models,
the measurements and the tests run the same code.
"""

from __future__ import annotations

from packshot.enhancement.faults import BeyondRepair, beyond_repair
from packshot.enhancement.fixes import Attempt, Fix, Mender, attempts_for
from packshot.enhancement.optimization import Goals, Judge, Optimized, Step, optimize
from packshot.enhancement.restoration import blend, restore, restore_tone
from packshot.enhancement.upscaling import upscale

__all__ = [
    "Attempt",
    "BeyondRepair",
    "Fix",
    "Goals",
    "Judge",
    "Mender",
    "Optimized",
    "Step",
    "attempts_for",
    "beyond_repair",
    "blend",
    "optimize",
    "restore",
    "restore_tone",
    "upscale",
]
