"""What Locust loads: one user class, one shape, and the listeners that make a conductor.

    python -m locust -f locustfile.py --packshot-job FOLDER --headless
    python -m locust -f locustfile.py --worker --master-host HOST

``packshot-loadtest`` writes the job and starts this; workers need no job, the master sends it.
Only here is anything patched: Locust patches the standard library before it loads this file, and
gRPC is told to work with gevent before any channel is opened.
"""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from grpc.experimental.gevent import init_gevent
from locust import LoadTestShape, User, events, task

from packshot_loadtest.generator.conductor import Conductor

_conductors: list[Conductor] = []


@events.init_command_line_parser.add_listener
def _add_option(parser: Any) -> None:
    parser.add_argument("--packshot-job", default="", include_in_web_ui=False)


@events.init.add_listener
def _make_conductor(environment: Any, web_ui: Any, **_: Any) -> None:
    # After Locust's own fork into worker processes: gRPC does not survive one.
    init_gevent()
    folder = environment.parsed_options.packshot_job
    conductor = Conductor(environment, Path(folder) if folder else None)
    _conductors[:] = [conductor]
    # Failed requests are results: they are no reason for Locust to fail.
    environment.process_exit_code = 0
    gevent.signal_handler(signal.SIGUSR1, conductor.request_stop)
    if web_ui is not None:
        environment.events.test_stop.add_listener(lambda **__: gevent.spawn_later(1.0, web_ui.stop))


class PackshotUser(User):
    """In a closed loop, one caller that waits for its answers. In an open loop arrivals are
    started by the schedule, and one user per process stands for it."""

    @task
    def play(self) -> None:
        """Play its part, then wait for Locust to end the run."""
        try:
            _conductors[0].play()
        except Exception:
            logging.getLogger(__name__).exception("the load generator failed")
            raise
        Event().wait()


class Schedule(LoadTestShape):
    """Ends the run when the schedule has been played."""

    def tick(self) -> tuple[int, float] | None:
        """Users and spawn rate, or ``None`` at the end."""
        conductor = _conductors[0]
        if conductor.check():
            return None
        users = conductor.user_count()
        return users, min(100.0, float(users))
