"""A plain service: worker threads that share one client, with metrics of their calls.

python thread_pool.py localhost:8001 photo.jpg photo.jpg
"""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from packshot_client import CallEvent, ClientConfig, ClientError, PackshotClient, Retries

calls: Counter[tuple[str, str]] = Counter()


def count(event: CallEvent) -> None:
    """Where a real service would feed Prometheus or StatsD. Must be quick and safe in threads."""
    calls[event.address, event.status] += 1


def main(address: str, photos: list[str]) -> int:
    config = ClientConfig(timeout_s=2.0, retries=Retries(attempt_timeout_s=1.0), on_call=count)
    # Made once, not in every thread: connections, budgets and health are shared.
    with PackshotClient(address, config=config) as client:

        def decide(photo: str) -> str:
            try:
                return f"{photo}: {client.score(photo).decision}"
            except ClientError as error:
                return f"{photo}: not scored, {error.message}"

        with ThreadPoolExecutor(16) as pool:
            for line in pool.map(decide, photos):
                print(line)
    for (replica, status), number in sorted(calls.items()):
        print(f"{replica} {status}: {number}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
