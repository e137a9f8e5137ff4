"""Applied faults: alike in shape, harmless at zero, worse as severity grows."""

import numpy as np
import pytest

from packshot.contracts import LEARNED_ATTRIBUTES
from packshot.training.degradations import FAULTS, Fault


def picture() -> np.ndarray:
    y, x = np.mgrid[0:96, 0:128].astype(np.float32)
    waves = np.stack([np.sin(x / 3), np.sin(y / 4), np.sin((x + y) / 5)], axis=-1)
    return (128 + 80 * waves).astype(np.uint8)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_grows_with_severity(fault: Fault) -> None:
    clean = picture()
    errors = []
    for severity in (0.1, 0.4, 0.7, 1.0):
        spoilt = fault.apply(clean, severity, np.random.default_rng(3))
        assert spoilt.shape == clean.shape
        assert spoilt.dtype == np.uint8
        errors.append(float(np.mean((spoilt.astype(float) - clean) ** 2)))
    assert errors == sorted(errors)
    assert errors[-1] > errors[0] + 1.0


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_leaves_its_input_alone_and_repeats(fault: Fault) -> None:
    clean = picture()
    first = fault.apply(clean, 0.5, np.random.default_rng(1))
    second = fault.apply(clean, 0.5, np.random.default_rng(1))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(clean, picture())


def test_every_learned_attribute_has_a_fault() -> None:
    assert {fault.attribute for fault in FAULTS} == set(LEARNED_ATTRIBUTES)
