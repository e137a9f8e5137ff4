"""Starting a generator: Locust in processes of its own, watched from here.

This process is never patched, so what it does meanwhile (reading the server's metrics, drawing)
costs the load no time.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from packshot.serving.ports import free_ports
from packshot_loadtest.errors import GeneratorError, SettingsError
from packshot_loadtest.generator.job import RESULT_FILE, ROWS_FILE, START_FILE, Job
from packshot_loadtest.results.histograms import Histograms
from packshot_loadtest.results.samples import Samples, samples_of

LOCUSTFILE: Final = Path(__file__).with_name("locustfile.py")
_POLL_S: Final = 0.1
_START_S: Final = 60.0
_END_S: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class GeneratorOptions:
    """How a generator runs.

    Attributes:
        processes: Locust worker processes on this host; 0 is one process without a master.
        expect_workers: Workers on other hosts to wait for (``packshot-loadtest worker``).
        bind_host: Address on which the master waits for them.
        bind_port: Its port; 0 finds a free one.
        web_port: Port of Locust's web page; ``None`` is headless. With it, the run starts when
            Start is pressed.
        web_host: Address of the page.
        locust_html: Where Locust's own HTML report goes.
        locust_csv: Prefix of Locust's own CSV files.
    """

    processes: int = 0
    expect_workers: int = 0
    bind_host: str = "127.0.0.1"
    bind_port: int = 0
    web_port: int | None = None
    web_host: str = "127.0.0.1"
    locust_html: Path | None = None
    locust_csv: Path | None = None

    def __post_init__(self) -> None:
        if self.processes < 0 or self.expect_workers < 0:
            raise SettingsError("processes and workers must be 0 or more")
        if self.processes and self.expect_workers:
            raise SettingsError("give processes on this host or workers on others, not both")

    @property
    def senders(self) -> int:
        """Processes that send."""
        return self.processes or self.expect_workers or 1


@dataclass(frozen=True, kw_only=True)
class GeneratorRun:
    """What a generator reported.

    Attributes:
        start_unix: When the schedule began, in Unix seconds.
        samples: A row per request, warm-up included.
        histograms: Of the measured part, all workers together.
        messages: What went wrong, and how often.
        workers: Processes that sent.
        lost_workers: Those that did not report back.
        cpu_shares: CPU time over wall time of each.
        interrupted: Whether it was stopped early.
    """

    start_unix: float
    samples: Samples = field(repr=False)
    histograms: Histograms
    messages: dict[str, int]
    workers: int
    lost_workers: int
    cpu_shares: tuple[float, ...]
    interrupted: bool


def locust_command(options: GeneratorOptions, folder: Path) -> list[str]:
    """The command line of Locust for a job in ``folder``."""
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE)]
    command += ["--packshot-job", str(folder), "--loglevel", "WARNING", "--only-summary"]
    if options.web_port is None:
        command.append("--headless")
    else:
        command += ["--web-host", options.web_host, "--web-port", str(options.web_port)]
    if options.senders > 1 or options.expect_workers or options.processes:
        port = str(options.bind_port or free_ports(1)[0])
        command += ["--master-bind-host", options.bind_host, "--master-bind-port", port]
        command += ["--expect-workers-max-wait", str(int(_START_S))]
    if options.processes:
        command += ["--processes", str(options.processes), "--master-port", port]
    elif options.expect_workers:
        command += ["--master", "--expect-workers", str(options.expect_workers)]
    if options.locust_html is not None:
        command += ["--html", str(options.locust_html)]
    if options.locust_csv is not None:
        command += ["--csv", str(options.locust_csv)]
    return command


def worker_command(master_host: str, master_port: int) -> list[str]:
    """The command line of a worker that takes its job from a master."""
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--worker"]
    return [*command, "--master-host", master_host, "--master-port", str(master_port)]


def run_generator(
    job: Job,
    options: GeneratorOptions | None = None,
    *,
    on_tick: Callable[[float], None] | None = None,
) -> GeneratorRun:
    """Play a job to its end. Ctrl-C ends it early, and what ran is returned.

    Args:
        job: What to do.
        options: In which processes.
        on_tick: Called about ten times a second, from the start of the schedule on, with the
            seconds since then; what it raises ends the run.

    Raises:
        GeneratorError: Locust ended without a result.
    """
    options = options or GeneratorOptions()
    with tempfile.TemporaryDirectory(prefix="packshot-load-") as name:
        folder = Path(name)
        job.write(folder)
        with (folder / "locust.log").open("w+", encoding="utf-8") as log:
            # Of its own session: Ctrl-C reaches this process alone, which stops it in order.
            process = subprocess.Popen(
                locust_command(options, folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "GRPC_VERBOSITY": "NONE"},
            )
            limit_s = _limit_s(job, options)
            interrupted = _watch(process, limit_s, folder / START_FILE, on_tick)
            log.seek(0)
            words = log.read()
        return _read(folder, words, interrupted=interrupted)


def _limit_s(job: Job, options: GeneratorOptions) -> float | None:
    if options.web_port is not None:
        return None
    return _START_S + job.warmup_s + job.duration_s + 2 * job.target.timeout_s + 60.0


def _watch(
    process: subprocess.Popen[bytes],
    limit_s: float | None,
    start_file: Path,
    on_tick: Callable[[float], None] | None,
) -> bool:
    started_s = time.monotonic()
    interrupted = False
    try:
        while process.poll() is None:
            elapsed_s = time.monotonic() - started_s
            if limit_s is not None and elapsed_s > limit_s:
                raise GeneratorError(f"the generator did not end within {limit_s:.0f} s")
            if not _wait(start_file, on_tick):
                if interrupted:
                    raise KeyboardInterrupt
                interrupted = True
                process.send_signal(signal.SIGUSR1)
    finally:
        _end(process)
    return interrupted


def _wait(start_file: Path, on_tick: Callable[[float], None] | None) -> bool:
    """One tick; ``False`` if Ctrl-C came in it."""
    try:
        time.sleep(_POLL_S)
        if on_tick is not None and start_file.exists():
            since_s = time.time() - float(start_file.read_text() or "inf")
            if since_s >= 0:
                on_tick(since_s)
    except KeyboardInterrupt:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    # The whole group, which Locust's worker processes belong to.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(folder: Path, words: str, *, interrupted: bool) -> GeneratorRun:
    if not (folder / RESULT_FILE).exists():
        if interrupted:
            raise KeyboardInterrupt  # Before anything was sent: there is nothing to report.
        tail = "\n".join(words.strip().splitlines()[-15:])
        raise GeneratorError(f"the generator ended without a result; its last words:\n{tail}")
    result: dict[str, Any] = json.loads((folder / RESULT_FILE).read_text())
    histograms = Histograms()
    histograms.add(result["histograms"])
    return GeneratorRun(
        start_unix=result["start_unix"],
        samples=samples_of((folder / ROWS_FILE).read_bytes()),
        histograms=histograms,
        messages=result["messages"],
        workers=result["workers"],
        lost_workers=result["lost_workers"],
        cpu_shares=tuple(result["cpu_shares"]),
        interrupted=interrupted or result["stopped"],
    )
