"""Ray Serve, as its guides advise: one replica per core, each with num_cpus=1, and its dynamic
request batching.

https://docs.ray.io/en/latest/serve/advanced-guides/dyn-req-batch.html
"""

from __future__ import annotations

import os
import signal
from typing import Any

# Read when ray is imported; on two busy cores it needs more than its 60 seconds to start.
os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")

import ray
from ray import serve
from starlette.requests import Request

from packshot_loadtest.peers.apps.arguments import PeerArguments, parse_arguments


@serve.deployment
class Scorer:
    """One replica.

    Args:
        arguments: Of this program.
    """

    def __init__(self, arguments: PeerArguments) -> None:
        self._pipeline = arguments.make_pipeline()

    @serve.batch(max_batch_size=8, batch_wait_timeout_s=0.005)
    async def score_many(self, photos: list[bytes]) -> list[dict[str, Any]]:
        """Batched by Ray."""
        return self._pipeline.score_many(photos)

    async def __call__(self, request: Request) -> dict[str, Any]:
        """The verdict on one photo, its bytes in the body."""
        answer: dict[str, Any] = await self.score_many(await request.body())
        return answer


if __name__ == "__main__":
    arguments = parse_arguments(__doc__)
    ray.init(include_dashboard=False, log_to_driver=False, num_cpus=arguments.processes)
    serve.start(http_options={"host": "127.0.0.1", "port": arguments.port})
    deployment = Scorer.options(  # type: ignore[attr-defined]
        num_replicas=arguments.processes,
        ray_actor_options={"num_cpus": 1},
        max_ongoing_requests=100,
    )
    serve.run(deployment.bind(arguments), route_prefix="/score")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
