"""LitServe, as its guides advise for throughput: one worker per core, dynamic batching.

https://lightning.ai/docs/litserve/features/batching
"""

# No `from __future__ import annotations`: LitServe reads the annotation of decode_request itself.
from typing import Annotated, Any

import litserve
from fastapi import Body

from packshot_loadtest.peers.apps.arguments import (
    PeerArguments,
    inherited_arguments,
    parse_arguments,
)

Photo = Annotated[bytes, Body(media_type="application/octet-stream")]


class ScoreApi(litserve.LitAPI):
    """The four hooks of LitServe."""

    def setup(self, device: str) -> None:
        """Load the work in a worker process."""
        del device
        self.pipeline = inherited_arguments().make_pipeline()

    def decode_request(self, request: Photo) -> bytes:
        """The photo's bytes."""
        return request

    def batch(self, inputs: list[bytes]) -> list[bytes]:
        """Kept apart: photos have different sizes."""
        return inputs

    def predict(self, x: list[bytes]) -> list[dict[str, Any]]:
        """The verdicts on a batch."""
        return self.pipeline.score_many(x)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One answer each."""
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """As it is."""
        return output


def make_server(arguments: PeerArguments) -> Any:
    """The server, not yet running."""
    api = ScoreApi(max_batch_size=8, batch_timeout=0.005, api_path="/score")
    return litserve.LitServer(
        api, accelerator="cpu", workers_per_device=arguments.processes, timeout=30
    )


if __name__ == "__main__":
    found = parse_arguments(__doc__)
    make_server(found).run(
        host="127.0.0.1", port=found.port, log_level="warning", generate_client_file=False
    )
