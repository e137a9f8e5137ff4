"""Enhancing and enlarging: served, in-process, and OpenCV's denoising, side by side in one run.

    python -m packshot_loadtest.picture_bench --json reports/picture_bench.json

One photo at a time, from file to file: a 1000x1000 JPEG restored, and a 400x400 one enlarged twice.
The floor is the stages' own code in this process. OpenCV's non-local means, the tool that people
have at hand, decodes and encodes in the same way. In each round every contender takes its turn, so
that a slow moment of the machine hits all alike; only ratios mean anything elsewhere.
"""

from __future__ import annotations

import datetime
import json
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from packshot.contracts import ENHANCE, IMAGE, UPSCALE, ModelSpec
from packshot.errors import PackshotError
from packshot.imaging import OutputOptions, decode, encode
from packshot.serving.backend import Array, Stage, Tensors, bytes_tensor
from packshot.serving.enhance import Enhance
from packshot.serving.image_net import ImageNet
from packshot.serving.options import ServerConfig
from packshot.serving.process import TritonProcess
from packshot.serving.signals import stop_on_signals
from packshot.serving.stage_context import StageContext
from packshot.serving.upscale import Upscale
from packshot_client import PackshotClient
from packshot_loadtest.machine import installed_versions, machine_facts
from packshot_loadtest.payloads import packaged_payloads
from packshot_loadtest.photo_path import network_folder

SERVED: Final = "served"
FLOOR: Final = "in-process"
NON_LOCAL_MEANS: Final = "OpenCV non-local means"
RESTORED: Final = "restore 1000x1000"
ENLARGED: Final = "enlarge 400x400 twice"

console = Console()
progress = Console(stderr=True)
Work = Callable[[bytes], object]


class InProcessPictures:
    """``enhance`` and ``upscale`` with their networks, without a server.

    Args:
        repository: Model repository with the exported networks.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._networks: dict[str, ImageNet] = {}
        context = StageContext(version_directory=repository, parameters={})
        self._enhance = Enhance(context, partial(self._call, ENHANCE))
        self._upscale = Upscale(context, partial(self._call, UPSCALE))

    def enhance(self, data: bytes) -> bytes:
        """A file to the file of the restored photo."""
        return self._answer(self._enhance, data)

    def upscale(self, data: bytes) -> bytes:
        """A file to the file of the photo with both sides doubled."""
        return self._answer(self._upscale, data)

    def _answer(self, stage: Stage, data: bytes) -> bytes:
        (answer,) = stage.execute([{IMAGE.name: bytes_tensor([data])}])
        if isinstance(answer, Exception):
            raise answer
        return bytes(answer["OUTPUT_IMAGE"][0, 0])

    def _call(self, caller: ModelSpec, spec: ModelSpec, tensors: Tensors) -> dict[str, Array]:
        network = self._networks.get(spec.name)
        if network is None:
            folder = network_folder(self._repository, spec.name, caller.name)
            network = ImageNet(StageContext(version_directory=folder, parameters={}))
            self._networks[spec.name] = network
        (answer,) = network.execute([tensors])
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


def non_local_means(data: bytes) -> bytes:
    """A file to the file of the photo after ``fastNlMeansDenoisingColored`` at its defaults."""
    pixels = decode(data).pixels_hwc_u8
    denoised = np.asarray(cv2.fastNlMeansDenoisingColored(pixels), np.uint8)
    return encode(denoised, OutputOptions(), "JPEG").data


def run_bench(repository: Path, *, rounds: int) -> dict[str, Any]:
    """Measure everything; the result is ready for JSON.

    Raises:
        packshot.errors.ServingError: The server does not start.
    """
    config = ServerConfig.on_free_ports(
        repository, model_control_mode="explicit", models=(ENHANCE.name, UPSCALE.name)
    )
    large, small = (packaged_payloads(side=side)[1] for side in (1000, 400))
    floor = InProcessPictures(repository)
    with TritonProcess(config) as server, PackshotClient(server.grpc_address) as client:
        contenders: dict[str, tuple[bytes, dict[str, Work]]] = {
            RESTORED: (
                large,
                {
                    SERVED: client.enhance,
                    FLOOR: floor.enhance,
                    NON_LOCAL_MEANS: non_local_means,
                },
            ),
            ENLARGED: (small, {SERVED: client.upscale, FLOOR: floor.upscale}),
        }
        measured = {task: times_ms(*case, rounds=rounds) for task, case in contenders.items()}
    return {
        "date": datetime.date.today().isoformat(),
        "machine": machine_facts(),
        "versions": installed_versions("packshot", "openvino", "opencv-python-headless", "numpy"),
        "settings": {"rounds": rounds, "opencv_threads": cv2.getNumThreads()},
        "tasks": {
            task: {"times_ms": times, "over": ratios(times)} for task, times in measured.items()
        },
    }


def times_ms(data: bytes, works: Mapping[str, Work], *, rounds: int) -> dict[str, list[float]]:
    """Each contender's times, a round an entry."""
    for work in works.values():
        # The first time loads networks and compiles their kernels for this size.
        work(data)
    times: dict[str, list[float]] = {name: [] for name in works}
    names = list(works)
    for number in range(rounds):
        progress.print(f"round {number + 1} of {rounds}")
        turn = number % len(names)
        for name in (*names[turn:], *names[:turn]):
            started = time.perf_counter()
            works[name](data)
            times[name].append((time.perf_counter() - started) * 1000.0)
    return times


def ratios(times: dict[str, list[float]]) -> dict[str, float]:
    """The served time as a multiple of each other's: within a round, then the median."""
    return {
        name: statistics.median(s / o for s, o in zip(times[SERVED], others, strict=True))
        for name, others in times.items()
        if name != SERVED
    }


def print_tables(result: dict[str, Any]) -> None:
    """The result as a person reads it."""
    table = Table(title=f"one photo at a time, {result['machine']['cores']} cores")
    for heading in ("", "", "median ms", "served takes"):
        table.add_column(heading, justify="right" if "s" in heading else "left", no_wrap=True)
    for task, case in result["tasks"].items():
        for name, times in case["times_ms"].items():
            ratio = f"{case['over'][name]:.2f} x this" if name in case["over"] else ""
            table.add_row(task, name, f"{statistics.median(times):.0f}", ratio)
    console.print(table)


app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def bench(
    repository: Annotated[Path, typer.Option(help="Triton model repository.")] = Path(
        "model_repository"
    ),
    rounds: Annotated[int, typer.Option(min=1, help="Turns of every contender.")] = 9,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where to write it all.")] = None,
) -> None:
    """Measure ``enhance`` and ``upscale`` against their floor and OpenCV's non-local means."""
    result = run_bench(repository, rounds=rounds)
    print_tables(result)
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    stop_on_signals("picture_bench")  # Else the server would outlive a SIGTERM.
    try:
        app()
    except PackshotError as error:
        progress.print(f"picture_bench: {error}", style="red", markup=False)
        raise SystemExit(2) from error
