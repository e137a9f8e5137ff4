"""Calls: everything about asking the server except the sending.

Both clients make the same calls here and read the answers here; :mod:`._course` decides what is
sent where and how often. What is left to the clients is to send, and to wait, each in its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from packshot_client._checks import checked_count, checked_seconds
from packshot_client._config import ClientConfig
from packshot_client._exceptions import ConfigError, RequestError
from packshot_client._generation import Generate
from packshot_client._images import png_file
from packshot_client._models import Inputs, Model
from packshot_client._operations import Score
from packshot_client._pictures import GeneratedPictures
from packshot_client._protocol import INFER, METHODS, STREAM_INFER, Method, messages
from packshot_client._request_ids import REQUEST_IDS, checked_request_id
from packshot_client._requests import TensorData
from packshot_client._results import QualityResult
from packshot_client._server_facts import (
    Health,
    ModelState,
    ModelStatistics,
    model_states,
    model_statistics,
    served_model_states,
)

ResultT_co = TypeVar("ResultT_co", covariant=True)
_ResultT = TypeVar("_ResultT")


@dataclass(kw_only=True, eq=False, slots=True)
class Call(Generic[ResultT_co]):
    """One call, ready to send.

    Attributes:
        method: gRPC method.
        message: Its request.
        timeout_s: Its deadline.
        read: Makes the result of its response.
        batch: Items that a model is asked about, each of which has a result; 0 if none is asked.
        model: Model it is for; empty for calls to the server itself.
        request_id: Empty for calls to the server itself.
        canary_key: Decides between the usual version and the canary's; ``None`` leaves it to
            chance.
        region: Shared-memory region that the server has to know first; empty if none.
        patient: Whether its model is slow by nature: an attempt may take the whole deadline, and
            a late answer is no reason to ask another replica too.
    """

    method: Method
    # Kept out of repr: it holds a whole image.
    message: Any = field(repr=False)
    timeout_s: float
    read: Callable[[Any], ResultT_co] = field(repr=False)
    batch: int = 0
    model: str = ""
    request_id: str = ""
    canary_key: str | None = None
    region: str = ""
    patient: bool = False

    @property
    def infers(self) -> bool:
        """Whether it asks a model, and not about one."""
        return self.batch > 0


class CallFactory:
    """Makes the calls of one client.

    Args:
        config: Of the client.
    """

    def __init__(self, config: ClientConfig) -> None:
        self.config = config

    def infer(
        self,
        model: Model[_ResultT],
        tensors: Mapping[str, TensorData],
        *,
        batch: int,
        timeout_s: float,
        request_id: str | None = None,
        canary_key: str | None = None,
        region: str = "",
    ) -> Call[tuple[_ResultT, ...]]:
        """Ask a model for one result per item of a batch, within a checked ``timeout_s``.

        Raises:
            ConfigError: ``request_id`` cannot be used.
        """

        name = model.spec.name
        identity = REQUEST_IDS.new() if request_id is None else checked_request_id(request_id)
        return Call(
            method=STREAM_INFER if model.streams else INFER,
            message=model.form.request(
                tensors,
                batch=batch,
                request_id=identity,
                model_version=self.config.model_versions.get(name, ""),
            ),
            timeout_s=timeout_s,
            read=model.read,
            batch=batch,
            model=name,
            request_id=identity,
            canary_key=canary_key,
            region=region,
            patient=model.timeout_s is not None,
        )

    def run(
        self,
        model: Model[_ResultT],
        inputs: Inputs,
        *,
        timeout_s: float | None,
        request_id: str | None = None,
        canary_key: str | None = None,
    ) -> Call[tuple[_ResultT, ...]]:
        """Ask a model about one item. Reads image sources, which can block.

        Raises:
            ConfigError: An argument cannot be used.
            ImageSourceError: An image cannot be read.
        """
        seconds = self.timeout_s(timeout_s, model)
        return self.infer(
            model,
            model.tensors(inputs, self.config.max_image_bytes),
            batch=1,
            timeout_s=seconds,
            request_id=request_id,
            canary_key=canary_key,
        )

    def generate(
        self, operation: Generate, *, timeout_s: float | None, request_id: str | None
    ) -> Call[tuple[GeneratedPictures, ...]]:
        """Ask for pictures; streamed, each response is read to one result.

        Raises:
            ConfigError: An argument cannot be used.
        """
        name = operation.model.spec.name
        if timeout_s is None and name not in self.config.model_timeouts_s:
            timeout_s = operation.timeout_s()
        return self.run(
            operation.model, operation.inputs, timeout_s=timeout_s, request_id=request_id
        )

    def batch_size(self, batch_size: int | None, model: Model[object]) -> int:
        """How many images may share a call.

        Raises:
            ConfigError: ``batch_size`` is no count, or more than the model takes.
        """
        most = model.spec.max_batch_size
        if batch_size is None:
            return min(self.config.batch_size, most)
        checked_count(batch_size, "batch_size")
        if batch_size > most:
            raise ConfigError(
                f"batch_size must be {most} or less, which is the most that {model.spec.name} "
                f"takes, got {batch_size}"
            )
        return batch_size

    def in_flight(self, max_in_flight: int | None, model: Model[object]) -> int:
        """How many calls may be under way at a time.

        Raises:
            ConfigError: ``max_in_flight`` is no count.
        """
        if max_in_flight is None:
            return model.in_flight or self.config.max_in_flight
        return checked_count(max_in_flight, "max_in_flight")

    def timeout_s(self, timeout_s: float | None, model: Model[object]) -> float:
        """The deadline of a call.

        Raises:
            ConfigError: ``timeout_s`` is no time.
        """
        if timeout_s is not None:
            return checked_seconds(timeout_s, "timeout_s")
        configured = self.config.model_timeouts_s.get(model.spec.name)
        return configured or model.timeout_s or self.config.timeout_s

    def server_ready(self, timeout_s: float | None = None) -> Call[bool]:
        """Ask whether the server says that it is ready."""
        return self._question(
            "ServerReady",
            messages.ServerReadyRequest(),
            lambda response: bool(response.ready),
            timeout_s,
        )

    def server_version(self) -> Call[str]:
        """Ask which Triton it is."""
        return self._question(
            "ServerMetadata",
            messages.ServerMetadataRequest(),
            lambda response: str(response.version),
        )

    def models(self) -> Call[tuple[ModelState, ...]]:
        """Ask what is in the server's repository."""
        return self._question("RepositoryIndex", messages.RepositoryIndexRequest(), model_states)

    def served_models(self) -> Call[tuple[ModelState, ...]]:
        """Ask which models are served, of a server that does not show its repository."""
        message = messages.ModelStatisticsRequest()
        return self._question("ModelStatistics", message, served_model_states)

    def stats(self, model: str) -> Call[tuple[ModelStatistics, ...]]:
        """Ask what the models, or one of them, have done."""
        return self._question(
            "ModelStatistics",
            messages.ModelStatisticsRequest(name=model),
            model_statistics,
            model=model,
        )

    def test_image(self) -> Call[tuple[QualityResult, ...]]:
        """Ask for the verdict on a small grey image."""
        side = 32
        image = png_file(side, side, 0, (b"\0" + b"\x80" * side) * side)
        score = Score()
        return self.run(score.model, score.inputs(image), timeout_s=self.config.health_timeout_s)

    def health(
        self,
        address: str,
        *,
        ready: bool | RequestError,
        version: str | RequestError,
        test: Sequence[QualityResult] | RequestError,
        latency_s: float,
    ) -> Health:
        """What the outcomes of three questions mean together."""
        says_ready = ready is True
        answering = not isinstance(test, RequestError)
        if isinstance(ready, RequestError):
            problem = ready.message
        elif isinstance(test, RequestError):
            problem = f"A test image could not be scored. {test.message}"
        else:
            problem = "" if says_ready else "It scores images, but says that it is not ready."
        return Health(
            address=address,
            reachable=answering or not isinstance(ready, RequestError),
            ready=says_ready,
            answering=answering,
            version=version if isinstance(version, str) else "",
            latency_s=latency_s if answering else None,
            problem=problem,
        )

    def _question(
        self,
        method: str,
        message: Any,
        read: Any,
        timeout_s: float | None = None,
        model: str = "",
    ) -> Call[Any]:
        seconds = self.config.health_timeout_s
        if timeout_s is not None:
            seconds = checked_seconds(timeout_s, "timeout_s")
        return Call(
            method=METHODS[method], message=message, timeout_s=seconds, read=read, model=model
        )
