"""The peers: what they are, where they live, how each is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another server.

    Attributes:
        name: For tables.
        slug: For folders and files.
        requirements: What its environment has, besides packshot's own stages.
        module: Its program.
        setup: What its documentation advises for throughput, and is done.
    """

    name: str
    slug: str
    requirements: tuple[str, ...]
    module: str
    setup: str


PACKSHOT: Final = "packshot on Triton"

PEERS: Final[tuple[Peer, ...]] = (
    Peer(
        name="FastAPI",
        slug="fastapi",
        requirements=("fastapi", "uvicorn[standard]", "onnxruntime"),
        module="packshot_loadtest.peers.apps.fastapi_app",
        setup="uvicorn with one worker process per core, model loaded in the lifespan, work in the"
        " thread pool",
    ),
    Peer(
        name="LitServe",
        slug="litserve",
        requirements=("litserve", "onnxruntime"),
        module="packshot_loadtest.peers.apps.litserve_app",
        setup="workers_per_device = cores, max_batch_size 8, batch_timeout 5 ms",
    ),
    Peer(
        name="BentoML",
        slug="bentoml",
        requirements=("bentoml>=1.4", "fastapi", "onnxruntime"),
        module="packshot_loadtest.peers.apps.bentoml_app",
        setup="one service worker per core, adaptive batching up to 8",
    ),
    Peer(
        name="Ray Serve",
        slug="ray-serve",
        requirements=("ray[serve]", "onnxruntime"),
        module="packshot_loadtest.peers.apps.ray_app",
        setup="one replica per core with num_cpus=1, @serve.batch up to 8 with 5 ms, its defaults"
        " otherwise",
    ),
)


def peer_named(slug: str) -> Peer:
    """The peer of that slug.

    Raises:
        KeyError: There is none.
    """
    return {peer.slug: peer for peer in PEERS}[slug]
