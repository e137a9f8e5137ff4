"""A job that mends a folder of photos: restored where that helps, told where nothing does.

    python mend_job.py localhost:8001 photos/ fixed/ > fixed.jsonl

Two photos are under way for each replica, results are written as they come, and what fails fails
alone. Photos that no software can mend are listed for the people who take them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from packshot_client import AsyncPackshotClient, ClientError, Optimize


async def main(addresses: str, folder: str, out: str) -> int:
    files = sorted(path for path in Path(folder).iterdir() if path.is_file())
    Path(out).mkdir(parents=True, exist_ok=True)
    failed = 0
    async with AsyncPackshotClient(addresses) as client:
        done = client.map_as_completed(
            Optimize(policy="google"), files, max_in_flight=2 * len(addresses.split(","))
        )
        async for one in done:
            line: dict[str, object] = {"file": str(files[one.index])}
            if isinstance(one.outcome, ClientError):
                line["error"] = one.outcome.message
                failed += 1
            else:
                saved = one.outcome.save(Path(out) / files[one.index].stem)
                line |= {"out": str(saved), "gain": round(one.outcome.gain, 1)}
                line["shoot_again"] = [fault.cause for fault in one.outcome.beyond_repair]
            print(json.dumps(line), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:4])))
