"""A batch job: scores a folder of any size in constant memory, and writes one JSON line a photo.

    python batch_job.py localhost:8001 photos/ > scores.jsonl

Photos travel eight to a call, sixteen calls at a time. What fails, fails alone: its line says why,
and the exit code is 1, so that the job can be run again for those.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from packshot_client import PackshotClient, QualityResult


def main(address: str, folder: str) -> int:
    # A list of names is small; the photos themselves are read as their turn comes.
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    failed = 0
    with PackshotClient(address) as client:
        for scored in client.score_as_completed(files, batch_size=8, max_in_flight=16):
            line: dict[str, object] = {"file": str(files[scored.index])}
            if isinstance(scored.outcome, QualityResult):
                line |= {"score": scored.outcome.score, "decision": scored.outcome.decision}
            else:
                line["error"] = scored.outcome.message
                failed += 1
            print(json.dumps(line), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
