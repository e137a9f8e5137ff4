"""BentoML, as its guides advise: the model in a service with adaptive batching and one worker per
core; a service before it takes the requests one by one.

https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html
"""

# No `from __future__ import annotations`: BentoML reads the annotations of its APIs.
import os
import sys
from pathlib import Path
from typing import Any

import aiohttp
import bentoml
from fastapi import FastAPI, Request

from packshot_loadtest.peers.apps.arguments import inherited_arguments, parse_arguments

if __name__ == "__main__":
    arguments = parse_arguments(__doc__)
    program = Path(sys.executable).with_name("bentoml")
    command = [str(program), "serve", "packshot_loadtest.peers.apps.bentoml_app:Front"]
    os.execv(program, [*command, "--host", "127.0.0.1", "--port", str(arguments.port)])

_WORKERS = inherited_arguments().processes

front = FastAPI()


@bentoml.service(workers=_WORKERS, traffic={"timeout": 30})
class Scorer:
    """Does the work."""

    def __init__(self) -> None:
        self.pipeline = inherited_arguments().make_pipeline()

    @bentoml.api(batchable=True, max_batch_size=8, max_latency_ms=30_000)
    def score_many(self, photos: list[bytes]) -> list[dict[str, Any]]:
        """The verdicts on a batch."""
        return self.pipeline.score_many(photos)


@bentoml.service(workers=1, traffic={"timeout": 30, "max_concurrency": 10_000})
@bentoml.asgi_app(front, path="/")
class Front:
    """Takes photos."""

    scorer = bentoml.depends(Scorer)

    @front.post("/score")
    async def score(self, request: Request) -> dict[str, Any]:
        """The verdict on one photo, its bytes in the body."""
        photos = [await request.body()]
        try:
            answers = await self.scorer.to_async.score_many(photos)
        except aiohttp.ServerDisconnectedError:
            # BentoML keeps connections between its services longer than the called one does, and
            # has no setting for it: up to one call in sixty fails
            # (https://github.com/bentoml/BentoML/issues/4971).
            answers = await self.scorer.to_async.score_many(photos)
        answer: dict[str, Any] = answers[0]
        return answer
