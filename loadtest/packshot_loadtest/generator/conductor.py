"""The conductor: ties sessions to Locust's single, master and worker processes.

The master hands each worker every n-th arrival of one schedule and one common start, so the total
is exact whatever the number of workers, and a worker that is lost is missed, not averaged away.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.runners import STATE_MISSING, LocalRunner, MasterRunner, WorkerRunner

from packshot_loadtest.generator.calls import CallFailedError
from packshot_loadtest.generator.job import RESULT_FILE, ROWS_FILE, START_FILE, Job
from packshot_loadtest.generator.session import Session, open_callers
from packshot_loadtest.mix import RequestKind
from packshot_loadtest.results.histograms import Histograms

_JOB, _STOP, _ROWS, _DONE = "packshot_job", "packshot_stop", "packshot_rows", "packshot_done"
_REPORT_S: Final = 1.0
_LEAD_S: Final = 2.0
"""For workers to take their job, connect and ask once."""
_TRANSFER_BYTES_S: Final = 50e6


class Conductor:
    """One per Locust process.

    Args:
        environment: Locust's.
        folder: Where the job is read and the result written; ``None`` on workers.
    """

    def __init__(self, environment: Environment, folder: Path | None) -> None:
        self.session: Session | None = None
        self.finished = False
        self._environment = environment
        self._runner = environment.runner
        # Locust's --processes hands its workers the master's options too.
        self._folder = None if isinstance(environment.runner, WorkerRunner) else folder
        self._job = Job.read(self._folder) if self._folder else None
        self._ready = Event()
        self._start_unix = 0.0
        self._waiting: set[str] = set()
        self._lost: set[str] = set()
        self._summaries: list[dict[str, Any]] = []
        self._rows: list[bytes] = []
        self._worker_count = 1
        self._written = False
        self._stopped = False
        environment.events.test_start.add_listener(self._on_start)
        environment.events.test_stopping.add_listener(self._on_stopping)
        environment.events.test_stop.add_listener(lambda **_: self.write())
        environment.events.quitting.add_listener(lambda **_: self.write())
        if isinstance(self._runner, WorkerRunner):
            self._runner.register_message(_JOB, self._on_job)
            self._runner.register_message(_STOP, lambda **_: self.request_stop())
        elif isinstance(self._runner, MasterRunner):
            self._runner.register_message(_ROWS, self._on_rows)
            self._runner.register_message(_DONE, self._on_done)

    def user_count(self) -> int:
        """How many Locust users the run wants: open loop, one per process to play its share."""
        if self._job is not None and self._job.users:
            return self._job.users
        return len(self._runner.clients.all) if isinstance(self._runner, MasterRunner) else 1

    def request_stop(self) -> None:
        """Start no more requests, and let the run end in order."""
        if not self._start_unix:
            os.kill(os.getpid(), signal.SIGTERM)  # Nothing has run: Locust's own way out.
        elif isinstance(self._runner, MasterRunner):
            self._runner.send_message(_STOP)
        elif self.session is not None:
            self.session.stop()

    def play(self) -> None:
        """What each Locust user does."""
        self._ready.wait()
        session = self.session
        if session is None:
            return
        if session.job.users:
            session.ask_in_turn()

    def check(self) -> bool:
        """Whether the run is over; called every second by the shape."""
        if isinstance(self._runner, MasterRunner) and self._waiting:
            gone = self._waiting - self._alive(self._runner)
            self._lost |= gone
            self._waiting -= gone
            self.finished = not self._waiting
        return self.finished

    def _alive(self, master: MasterRunner) -> set[str]:
        return {client.id for client in master.clients.all if client.state != STATE_MISSING}

    def write(self) -> None:
        """Write what the run gave, once."""
        if self._folder is None or self._written or not self._start_unix:
            return
        self._written = True
        histograms = Histograms()
        messages: Counter[str] = Counter()
        for summary in self._summaries:
            histograms.add(summary["histograms"])
            messages.update(summary["messages"])
        lost = self._lost | self._waiting
        result = {
            "start_unix": self._start_unix,
            "workers": self._worker_count,
            "lost_workers": len(lost),
            "stopped": self._stopped,
            "recorded": sum(summary["recorded"] for summary in self._summaries),
            "cpu_shares": [summary["cpu_share"] for summary in self._summaries],
            "messages": dict(messages.most_common()),
            "histograms": histograms.encoded(),
        }
        (self._folder / ROWS_FILE).write_bytes(b"".join(self._rows))
        (self._folder / RESULT_FILE).write_text(json.dumps(result))

    def _on_start(self, **_: Any) -> None:
        job, runner = self._job, self._runner
        if job is None:
            return
        self.finished = False
        if isinstance(runner, MasterRunner):
            workers = [client.id for client in runner.clients.all]
            message = job.to_message()
            size = sum(map(len, (*message["photos"], message["arrivals"])))
            self._start_unix = time.time() + _LEAD_S + size * len(workers) / _TRANSFER_BYTES_S
            self._waiting = set(workers)
            self._worker_count = len(workers)
            self._announce()
            for index, worker in enumerate(workers):
                share = {"index": index, "count": len(workers), "start_unix": self._start_unix}
                runner.send_message(_JOB, {**message, **share}, worker)
        elif isinstance(runner, LocalRunner):
            self._start_unix = time.time() + _LEAD_S
            self._announce()
            self._open(job, index=0, count=1)

    def _announce(self) -> None:
        if self._folder is not None:
            (self._folder / START_FILE).write_text(repr(self._start_unix))

    def _on_job(self, msg: Any, **_: Any) -> None:
        message = dict(msg.data)
        index, count = message.pop("index"), message.pop("count")
        self._start_unix = message.pop("start_unix")
        self._open(Job.from_message(message), index=index, count=count)

    def _open(self, job: Job, *, index: int, count: int) -> None:
        session = Session(
            job, index=index, count=count, callers=open_callers(job), observer=self._observe
        )
        session.warm()
        session.begin(time.perf_counter() + self._start_unix - time.time())
        self.session = session
        self._ready.set()
        gevent.spawn(session.wait_for_users if job.users else session.play)
        gevent.spawn(self._report, session)

    def _report(self, session: Session) -> None:
        ended = False
        while not ended:
            ended = session.ended.wait(_REPORT_S)
            rows = session.recorder.take_rows()
            if isinstance(self._runner, WorkerRunner):
                if ended:
                    self._runner.send_message(_DONE, {"rows": rows, **session.summary()})
                elif rows:
                    self._runner.send_message(_ROWS, {"rows": rows})
            else:
                self._rows.append(rows)
        if not isinstance(self._runner, WorkerRunner):
            self._summaries.append(session.summary())
        session.close()
        self.finished = True

    def _on_stopping(self, **_: Any) -> None:
        # Locust's own Stop, in its web page: end in order, then let Locust stop its users. Locust
        # also stops when its last worker is missing, which nobody asked for.
        runner = self._runner
        asked = self._alive(runner) if isinstance(runner, MasterRunner) else True
        self._stopped = bool(self._start_unix and asked and not self.finished)
        if self.session is not None and not self.finished:
            self.session.stop()
            while not self.finished:
                gevent.sleep(0.05)

    def _on_rows(self, msg: Any, **_: Any) -> None:
        self._rows.append(msg.data["rows"])

    def _on_done(self, msg: Any, **_: Any) -> None:
        self._rows.append(msg.data["rows"])
        self._summaries.append(msg.data)
        self._waiting.discard(msg.node_id)
        self.finished = not self._waiting

    def _observe(
        self, kind: RequestKind, latency_s: float, failure: CallFailedError | None
    ) -> None:
        self._environment.events.request.fire(
            request_type=kind.protocol,
            name=kind.action,
            response_time=latency_s * 1000.0,
            response_length=0,
            exception=failure,
            context={},
        )
