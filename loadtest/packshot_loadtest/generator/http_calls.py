"""Requests over HTTP: Triton's REST with the binary tensor extension, and peers' plain POST."""

from __future__ import annotations

import json
import struct
from typing import Any

import urllib3

from packshot.contracts import (
    ATTRIBUTE_VALUES,
    CATEGORY,
    FRAGMENTS,
    GLOBAL_VIEW,
    IMAGE,
    NET_ATTRIBUTES,
    OUTPUT_IMAGE,
    SCORE,
    SEED,
    TensorSpec,
)
from packshot_loadtest.answers import Answer, picture_answer, score_answer
from packshot_loadtest.generator.calls import (
    CallFailedError,
    Payloads,
    Target,
    failure_of,
    first_element,
    raw_element,
)
from packshot_loadtest.mix import RequestKind
from packshot_loadtest.results.outcomes import Outcome

_CONNECTIONS = 1024
"""Kept open at most. Each request in flight holds one; a small number would queue requests here."""

PEER_PATH = "/score"
"""Where peers take a photo's bytes; they answer {"score": 0-100, "attributes": [8 of 0-1]}."""

PHOTO_HEADERS = {"Content-Type": "application/octet-stream"}

_HEADER_LENGTH = "Inference-Header-Content-Length"


class HttpCaller:
    """Asks over HTTP.

    Args:
        target: Which server.
        payloads: What to send.
    """

    def __init__(self, target: Target, payloads: Payloads) -> None:
        host, _, port = target.http.rpartition(":")
        self._payloads = payloads
        self._pool = urllib3.HTTPConnectionPool(
            host,
            int(port),
            maxsize=_CONNECTIONS,
            timeout=urllib3.Timeout(total=target.timeout_s),
            retries=False,
        )

    def call(self, kind: RequestKind, item: int) -> list[Answer]:
        """Ask about one payload; the answers, of a page one per photo.

        Raises:
            CallFailedError: There is no answer.
        """
        try:
            return self._answers(kind, item)
        except (KeyError, ValueError, IndexError) as error:
            raise failure_of(error, Outcome.FAILED) from error

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _answers(self, kind: RequestKind, item: int) -> list[Answer]:
        photos = self._payloads.photos
        if kind.protocol == "peer":
            answer = json.loads(self._post(PEER_PATH, photos[item], {}).data)
            return [score_answer(answer["score"], answer["attributes"])]
        if kind.action in ("score", "page"):
            items = [item] if kind.action == "score" else self._payloads.page(item)
            data = b"".join(raw_element(photos[number]) for number in items)
            outputs = (SCORE, ATTRIBUTE_VALUES)
            return self._scores(kind.model, [(IMAGE, data)], len(items), outputs)
        if kind.action == "pixels":
            tensors = list(zip((GLOBAL_VIEW, FRAGMENTS), self._payloads.views[item], strict=True))
            return self._scores(kind.model, tensors, 1, (SCORE, NET_ATTRIBUTES))
        return [picture_answer(self._picture(kind, item))]

    def _scores(
        self,
        model: str,
        tensors: list[tuple[TensorSpec, bytes]],
        batch: int,
        outputs: tuple[TensorSpec, TensorSpec],
    ) -> list[Answer]:
        wanted = [{"name": output.name} for output in outputs]
        response = self._infer(model, tensors, batch, wanted)
        found = {output["name"]: output["data"] for output in json.loads(response.data)["outputs"]}
        scores, attributes = (found[output.name] for output in outputs)
        width = outputs[1].shape[0]
        return [
            score_answer(score, attributes[row * width : (row + 1) * width])
            for row, score in enumerate(scores)
        ]

    def _picture(self, kind: RequestKind, item: int) -> bytes:
        tensors = [(IMAGE, raw_element(self._payloads.photos[item]))]
        if kind.action == "generate":
            category = raw_element(self._payloads.category(item).encode())
            tensors = [(CATEGORY, category), (SEED, struct.pack("<q", item))]
        wanted = [{"name": OUTPUT_IMAGE.name, "parameters": {"binary_data": True}}]
        response = self._infer(kind.model, tensors, 1, wanted)
        return first_element(response.data[int(response.headers[_HEADER_LENGTH]) :])

    def _infer(
        self,
        model: str,
        tensors: list[tuple[TensorSpec, bytes]],
        batch: int,
        wanted: list[dict[str, Any]],
    ) -> urllib3.BaseHTTPResponse:
        inputs = [
            {
                "name": tensor.name,
                "datatype": tensor.dtype,
                "shape": [batch, *tensor.shape],
                "parameters": {"binary_data_size": len(data)},
            }
            for tensor, data in tensors
        ]
        header = json.dumps({"inputs": inputs, "outputs": wanted}).encode()
        body = b"".join((header, *(data for _, data in tensors)))
        return self._post(f"/v2/models/{model}/infer", body, {_HEADER_LENGTH: str(len(header))})

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        headers = {**PHOTO_HEADERS, **headers}
        try:
            response = self._pool.urlopen("POST", path, body=body, headers=headers)
        except urllib3.exceptions.TimeoutError as error:
            raise failure_of(error, Outcome.TIMEOUT) from error
        except urllib3.exceptions.HTTPError as error:
            raise failure_of(error, Outcome.UNAVAILABLE) from error
        if response.status != 200:
            raise CallFailedError(_status_outcome(response), _words(response))
        return response


def _status_outcome(response: urllib3.BaseHTTPResponse) -> Outcome:
    words = _words(response).lower()
    if response.status == 429 or "exceeds maximum queue size" in words:
        return Outcome.REJECTED
    if "request timeout expired" in words:
        return Outcome.REJECTED
    if response.status in (502, 503):
        return Outcome.UNAVAILABLE
    return Outcome.TIMEOUT if response.status == 504 else Outcome.FAILED


def _words(response: urllib3.BaseHTTPResponse) -> str:
    return f"HTTP {response.status}: {response.data[:300].decode(errors='replace')}"
