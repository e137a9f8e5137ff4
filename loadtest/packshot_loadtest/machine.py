"""What a measurement was made on: hardware and versions, for every result file."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def machine_facts() -> dict[str, Any]:
    """CPU, cores that this process may use, memory, GPUs, system, Python, and how busy it is."""
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpus": gpu_names(),
        "system": platform.platform(),
        "python": platform.python_version(),
        # A load near the number of cores before the run means that others share the machine.
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }


def cpu_name() -> str:
    """The processor's name, as the kernel has it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def gpu_names() -> list[str]:
    """NVIDIA GPUs with their drivers; empty without ``nvidia-smi``."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    result = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    return result.stdout.strip().splitlines() if result.returncode == 0 else []


def installed_versions(*packages: str) -> dict[str, str]:
    """Versions of those of the packages that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # noqa: PERF203 - few, once
            continue
    return found
