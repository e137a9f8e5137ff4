"""Standing back: work that takes seconds must not delay work that takes milliseconds."""

from __future__ import annotations

import os
from pathlib import Path

from packshot.serving.stage_context import StageContext


def stand_back(context: StageContext) -> None:
    """Lower the priority of this process by the model's parameter ``niceness``, 0 to 19.

    The kernel then gives its cores to others first: at 15 a busy process gets a thirtieth of a
    core that one of normal priority wants. Call it when the model has loaded, so that a server
    on a busy machine still starts at once.
    """
    niceness = min(19, context.count("niceness", 0))
    if niceness == 0:
        return
    # On Linux the priority belongs to a thread, and those it starts inherit it.
    for task in Path("/proc/self/task").iterdir():
        os.setpriority(os.PRIO_PROCESS, int(task.name), niceness)
