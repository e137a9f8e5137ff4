"""An ad service: scores an uploaded photo on the way to an auction, or goes without.

    PACKSHOT_SERVER=host-a:8001,host-b:8001 uvicorn ad_service:app

One client for the process, made and warmed up before the first request. An auction cannot wait:
each call has 200 ms in all, a late replica is hedged after 50 ms, and a photo that could not be
scored in time is simply not boosted.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request

from packshot_client import (
    AsyncPackshotClient,
    ClientConfig,
    Hedging,
    InvalidInputError,
    RequestError,
)

CONFIG = ClientConfig(timeout_s=0.2, hedging=Hedging(delay_s=0.05, budget=0.05))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    address = os.environ.get("PACKSHOT_SERVER", "localhost:8001")
    async with AsyncPackshotClient(address, config=CONFIG) as client:
        await client.warm_up()
        app.state.packshot = client
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/bid")
async def bid(request: Request) -> dict[str, Any]:
    client: AsyncPackshotClient = request.app.state.packshot
    photo = await request.body()
    try:
        result = await client.score(photo, request_id=request.headers.get("x-request-id"))
    except InvalidInputError as error:
        raise HTTPException(422, error.message) from error
    except RequestError as error:
        # Overloaded, late or down: the auction goes on without a score.
        return {"boost": 1.0, "score": None, "reason": type(error).__name__}
    return {"boost": 0.5 + result.score / 100, "score": result.score, "reason": None}


@app.get("/healthz")
async def healthz(request: Request) -> dict[str, bool]:
    return {"ready": await request.app.state.packshot.server_ready()}
