"""A server for as long as one command runs: for demos, scripts and CI.

    python -m packshot.serving.session -- packshot score photo.jpg

The server takes free ports; the command finds it by the environment variable PACKSHOT_SERVER.
The exit status is the command's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from packshot.errors import PackshotError
from packshot.serving.options import ServerConfig
from packshot.serving.process import TritonProcess
from packshot.serving.signals import stop_on_signals

SERVER_VARIABLE = "PACKSHOT_SERVER"
"""Where the command line client looks for the server's address."""


def run_with_server(command: Sequence[str], *, model_repository: Path) -> int:
    """Start a server, run ``command``, stop the server; the command's exit status.

    Raises:
        packshot.errors.ServingError: The server cannot be started.
        OSError: There is no such command, or it cannot be run.
    """
    with TritonProcess(ServerConfig.on_free_ports(model_repository)) as server:
        print(  # noqa: T201 - a person waits for this
            f"Triton ready after {server.ready_after_s:.1f} s on {server.grpc_address}", flush=True
        )
        environment = {**os.environ, SERVER_VARIABLE: server.grpc_address}
        return subprocess.run(command, env=environment, check=False).returncode


def main() -> None:
    """Entry point of ``python -m packshot.serving.session``."""
    parser = argparse.ArgumentParser(prog="packshot.serving.session", description=__doc__)
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"))
    parser.add_argument("command", nargs="+", help="What to run, after --.")
    options = parser.parse_args()
    stop_on_signals("session")
    try:
        sys.exit(run_with_server(options.command, model_repository=options.model_repository))
    except (PackshotError, OSError) as error:
        sys.exit(f"packshot.serving.session: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
