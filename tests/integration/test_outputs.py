"""A caller may ask for any of the ensemble's outputs: rankers want the number alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc

from packshot.contracts import QUALITY


@pytest.mark.parametrize(
    "wanted", [["SCORE"], ["ATTRIBUTES"], ["VERDICT"], ["SCORE", "ATTRIBUTES"]], ids="+".join
)
def test_any_output_alone(wanted: list[str], caller: Any, photo_files: dict[str, bytes]) -> None:
    photos = (photo_files["coffee"], photo_files["rocket"])
    answer = caller.client.infer(
        QUALITY.name,
        caller.inputs(photos, None),
        outputs=[triton_grpc.InferRequestedOutput(name) for name in wanted],
        client_timeout=60,
    )
    assert {output.name for output in answer.get_response().outputs} == set(wanted)
    whole = caller.score(*photos)
    for name in set(wanted) - {"VERDICT"}:
        np.testing.assert_allclose(answer.as_numpy(name), whole[name], atol=0.01)
