"""FastAPI under uvicorn, as its deployment guide advises: one worker process per core, the model
loaded in the lifespan, blocking work in the thread pool.

https://fastapi.tiangolo.com/deployment/server-workers/
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool

from packshot_loadtest.peers.apps.arguments import inherited_arguments, parse_arguments


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.pipeline = inherited_arguments().make_pipeline()
    # One network, one caller at a time in this process: its threads are its own.
    app.state.turn = threading.Lock()
    yield


app = FastAPI(lifespan=_lifespan)


@app.post("/score")
async def score(request: Request) -> dict[str, Any]:
    """The verdict on one photo, its bytes in the body."""
    photo = await request.body()
    answer: dict[str, Any] = await run_in_threadpool(_score, request.app, photo)
    return answer


def _score(app: FastAPI, photo: bytes) -> dict[str, Any]:
    with app.state.turn:
        answer: dict[str, Any] = app.state.pipeline.score_many([photo])[0]
    return answer


if __name__ == "__main__":
    arguments = parse_arguments(__doc__)
    uvicorn.run(
        "packshot_loadtest.peers.apps.fastapi_app:app",
        host="127.0.0.1",
        port=arguments.port,
        workers=arguments.processes,
        log_level="warning",
        access_log=False,
    )
