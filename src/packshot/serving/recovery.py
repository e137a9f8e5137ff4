"""How long callers do without a model whose process was killed.

    python -m packshot.serving.recovery --kills 12 --photo photo.jpg

Starts ``packshot-serve --supervise``, has two callers ask for scores, kills one process of the
model with SIGKILL, waits until the replica is whole again, and does it over. *Away* is the time
from the signal to the first right answer after the last call that failed. What follows ``--`` is
handed to ``packshot-serve``. The exit status is 0 if every answer was right and every kill mended.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packshot.contracts import IMAGE, QUALITY, SCORE
from packshot.errors import PackshotError, ServingError
from packshot.serving.backend import bytes_tensor
from packshot.serving.endpoint import TINY_PNG
from packshot.serving.grpc_endpoint import GrpcEndpoint
from packshot.serving.options import ServerConfig
from packshot.serving.replica import Replica
from packshot.serving.supervision.options import SupervisorOptions

_CALL_TIMEOUT_S = 30.0
_PATIENCE_S = 120.0
_POLL_S = 0.02
_TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class RecoveryOptions:
    """What to break, how often, and what to ask meanwhile.

    Attributes:
        model_repository: What is served.
        model: The model whose process is killed.
        kills: How often.
        callers: Callers, each with one call at a time.
        pause_s: Between an answer and the caller's next call.
        photo: What is scored.
        serve: More arguments of ``packshot-serve``.
    """

    model_repository: Path
    model: str = "quality"
    kills: int = 12
    callers: int = 2
    pause_s: float = 0.05
    photo: bytes = TINY_PNG
    serve: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("kills", "callers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.pause_s < 0:
            raise ValueError(f"pause_s must be 0 or more, got {self.pause_s}")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a caller.

    Attributes:
        caller: Which caller's.
        sent_s: When it was sent, on the monotonic clock.
        ended_s: When its answer or error came.
        score: The answer, ``None`` if it failed.
    """

    caller: int
    sent_s: float
    ended_s: float
    score: float | None


@dataclass(frozen=True, kw_only=True)
class Outage:
    """What callers saw of one kill.

    Attributes:
        away_s: From the kill to the first right answer after the last call that failed.
        failed: Calls without an answer.
        answered: Calls with one, from the kill on.
        wrong: Answers that differ from those before the kill.
    """

    away_s: float
    failed: int
    answered: int
    wrong: int


class Callers:
    """Ask for a score over and over while a ``with`` block lasts."""

    def __init__(self, replica: Replica, options: RecoveryOptions) -> None:
        config = ServerConfig(model_repository=options.model_repository, grpc_port=replica.grpc)
        self._endpoint = GrpcEndpoint(config, _CALL_TIMEOUT_S)
        self._options = options
        self._calls: list[Call] = []
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=[number]) for number in range(options.callers)
        ]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def ended_since(self, moment_s: float) -> list[Call]:
        """Calls that ended after a moment."""
        return [call for call in list(self._calls) if call.ended_s > moment_s]

    def wait_for_answers(self) -> float:
        """Until every caller has been answered a call of now; one of the scores.

        Whatever was under way before has ended then.

        Raises:
            ServingError: One gets no answer.
        """
        now_s = time.monotonic()
        answers: dict[int, float] = {}

        def all_answered() -> bool:
            for call in self.ended_since(now_s):
                if call.sent_s > now_s and call.score is not None:
                    answers[call.caller] = call.score
            return len(answers) == len(self._threads)

        _wait_until(all_answered, "callers get no answers")
        return answers[0]

    def _ask(self, caller: int) -> None:
        inputs = {IMAGE.name: bytes_tensor([self._options.photo])}
        while not self._ending.wait(self._options.pause_s):
            sent_s = time.monotonic()
            score = None
            with contextlib.suppress(ServingError):
                score = float(self._endpoint.infer(QUALITY.name, inputs)[SCORE.name][0, 0])
            self._calls.append(
                Call(caller=caller, sent_s=sent_s, ended_s=time.monotonic(), score=score)
            )


def outage(calls: Sequence[Call], killed_s: float, expected: float) -> Outage:
    """What the calls that ended after a kill say of it.

    Args:
        calls: In any order.
        killed_s: When the signal was sent, on the clock of the calls.
        expected: The right score.

    Raises:
        ServingError: Nobody was answered since the last failure.
    """
    answered = [call for call in calls if call.score is not None]
    failed = [call for call in calls if call.score is None]
    after_s = max((call.sent_s for call in failed), default=killed_s)
    restored = [call.ended_s for call in answered if call.sent_s >= max(after_s, killed_s)]
    if not restored:
        raise ServingError(f"{QUALITY.name} has answered nobody since its last failure")
    return Outage(
        away_s=min(restored) - killed_s,
        failed=len(failed),
        answered=len(answered),
        wrong=sum(abs((call.score or 0.0) - expected) > _TOLERANCE for call in answered),
    )


def measure(options: RecoveryOptions) -> Iterator[Outage]:
    """Kill, wait, and kill again; one outage for each kill.

    Raises:
        ServingError: A replica did not start, or did not mend itself.
    """
    left = options.kills
    while left:
        # One more mend of a model in so short a time, and the whole server would be restarted.
        kills = min(left, SupervisorOptions().max_mends)
        left -= kills
        with Replica(options.model_repository, *options.serve) as replica:
            replica.wait_until_ready()
            past: set[int] = set()
            with Callers(replica, options) as callers:
                for _ in range(kills):
                    yield _outage_of_a_kill(replica, callers, options.model, past)


def report(outages: Sequence[Outage], model: str) -> str:
    """What was measured, for people."""
    away_s = sorted(outage.away_s for outage in outages)
    failed, answered, wrong = (
        sum(getattr(outage, name) for outage in outages) for name in ("failed", "answered", "wrong")
    )
    return (
        f"{QUALITY.name} was away for {statistics.median(away_s):.1f} s (median) and "
        f"{away_s[-1]:.1f} s (worst) in {len(away_s)} kills of {model}; {failed} calls failed, "
        f"{answered} were answered, {wrong} of them wrong.\n"
        f"Each, in s: {' '.join(f'{seconds:.1f}' for seconds in away_s)}"
    )


def main() -> None:
    """Entry point of ``python -m packshot.serving.recovery``."""
    parser = argparse.ArgumentParser(
        prog="packshot.serving.recovery",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--model", default="quality", help="Whose process is killed.")
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--photo", type=Path, help="What is scored; by default a tiny picture.")
    parser.add_argument("serve", nargs="*", help="Arguments of packshot-serve, after --.")
    given = parser.parse_args()
    try:
        options = RecoveryOptions(
            model_repository=given.model_repository,
            model=given.model,
            kills=given.kills,
            photo=given.photo.read_bytes() if given.photo else TINY_PNG,
            serve=tuple(given.serve),
        )
        outages = list(measure(options))
    except (PackshotError, ValueError, OSError) as error:
        sys.exit(f"packshot.serving.recovery: {error}")
    print(report(outages, options.model))  # noqa: T201 - it is what was asked for
    sys.exit(any(outage.wrong for outage in outages))


def _outage_of_a_kill(replica: Replica, callers: Callers, model: str, past: set[int]) -> Outage:
    expected = callers.wait_for_answers()
    mends = re.escape(f'packshot_model_mends_total{{model="{model}",outcome="mended"}}')
    before = replica.counter(mends)
    # What a mend has replaced may still end in its own time, and is missed by nobody.
    stubs = [stub.pid for stub in replica.stubs(model) if stub.pid not in past]
    past.update(stubs)
    if not stubs:
        raise ServingError(
            f"{model} has no process to kill: it is not served, or not by the Python backend"
        )
    killed_s = time.monotonic()
    os.kill(stubs[0], signal.SIGKILL)
    _wait_until(
        lambda: replica.counter(mends) > before and replica.is_ready(), f"{model} was not mended"
    )
    callers.wait_for_answers()
    return outage(callers.ended_since(killed_s), killed_s, expected)


def _wait_until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise ServingError(f"{otherwise} within {_PATIENCE_S:g} s")
        time.sleep(_POLL_S)


if __name__ == "__main__":
    main()
