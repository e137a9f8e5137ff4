"""The job of a generator: everything its processes need, on disk or in one message."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from packshot_loadtest.answers import Answer, answers_from_json, answers_to_json
from packshot_loadtest.generator.calls import Payloads, Target
from packshot_loadtest.mix import RequestKind

ARRIVAL: Final = np.dtype([("due_s", "<f8"), ("kind", "u1"), ("item", "<u4")])
"""One request to make. due_s: seconds from the start of the generator, warm-up included;
kind: index into ``Job.kinds``; item: index of the payload."""

RESULT_FILE: Final = "generator.json"
ROWS_FILE: Final = "samples.bin"
START_FILE: Final = "start_unix"
"""What a generator writes into the folder of its job; the last as soon as it is known."""

Arrivals = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a generator does.

    Attributes:
        target: Which server.
        kinds: Request kinds that arrivals name.
        arrivals: The schedule. In a closed loop only its kinds and items are used, in turn.
        payloads: What is sent.
        answers: Known answers by the label of the kind, one per payload (of a page, of its
            photos: the ``page`` kinds use those of ``score``).
        warmup_s: Its part that is not measured.
        duration_s: The measured part.
        users: 0 is open loop; otherwise how many users ask in a closed loop.
        think_s: Pause of such a user between an answer and its next request.
        max_in_flight: Requests under way at most in each process; more are dropped and counted.
    """

    target: Target
    kinds: tuple[RequestKind, ...]
    arrivals: Arrivals = field(repr=False)
    payloads: Payloads = field(repr=False)
    answers: dict[str, list[Answer]] = field(repr=False)
    warmup_s: float
    duration_s: float
    users: int = 0
    think_s: float = 0.0
    max_in_flight: int = 2000

    def share(self, index: int, count: int) -> Arrivals:
        """Every ``count``-th arrival from ``index``: the shares add up to the whole."""
        return self.arrivals[index::count]

    def to_message(self) -> dict[str, Any]:
        """Everything, in types that Locust's messages carry."""
        return {
            "target": asdict(self.target),
            "kinds": [asdict(kind) for kind in self.kinds],
            "arrivals": self.arrivals.tobytes(),
            "photos": list(self.payloads.photos),
            "views": [list(pair) for pair in self.payloads.views],
            "answers": answers_to_json(self.answers),
            "warmup_s": self.warmup_s,
            "duration_s": self.duration_s,
            "users": self.users,
            "think_s": self.think_s,
            "max_in_flight": self.max_in_flight,
        }

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Job:
        """What :meth:`to_message` gave."""
        kept = ("warmup_s", "duration_s", "users", "think_s", "max_in_flight")
        return cls(
            target=Target(**message["target"]),
            kinds=tuple(RequestKind(**kind) for kind in message["kinds"]),
            arrivals=np.frombuffer(message["arrivals"], dtype=ARRIVAL),
            payloads=Payloads(
                photos=tuple(message["photos"]),
                views=tuple((pair[0], pair[1]) for pair in message["views"]),
            ),
            answers=answers_from_json(message["answers"]),
            **{name: message[name] for name in kept},
        )

    def write(self, folder: Path) -> None:
        """Keep it in a folder, bytes beside JSON."""
        message = self.to_message()
        blobs = [message.pop("arrivals"), *message.pop("photos")]
        blobs += [view for pair in message.pop("views") for view in pair]
        message["lengths"] = [len(blob) for blob in blobs]
        message["photo_count"] = len(self.payloads.photos)
        (folder / "job.json").write_text(json.dumps(message))
        (folder / "job.bin").write_bytes(b"".join(blobs))

    @classmethod
    def read(cls, folder: Path) -> Job:
        """What :meth:`write` wrote."""
        message = json.loads((folder / "job.json").read_text())
        whole = (folder / "job.bin").read_bytes()
        ends = np.cumsum(message.pop("lengths")).tolist()
        blobs = [whole[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        photos = 1 + message.pop("photo_count")
        views = blobs[photos:]
        return cls.from_message(
            {
                **message,
                "arrivals": blobs[0],
                "photos": blobs[1:photos],
                "views": list(zip(views[::2], views[1::2], strict=True)),
            }
        )
