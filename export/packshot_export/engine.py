"""TensorRT plans from an ONNX graph, by ``tensorrt`` or by ``tensorrt_rtx``: the same API.

TensorRT decides nothing about precision here: the network is strongly typed, the graph says it
all. ``tensorrt`` needs an NVIDIA GPU and builds for that one; ``tensorrt_rtx`` builds ahead of
time on any machine, which is how CI learns whether TensorRT takes a graph.
"""

from __future__ import annotations

import importlib
import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from packshot_export.errors import TargetError
from packshot_export.networks import ExportableNetwork

GIBIBYTE = 1024**3

_INSTALL = {
    "tensorrt": (
        "install it on a machine with an NVIDIA GPU (pip install tensorrt), or build in NVIDIA's"
        " image of the Triton release that will serve the plan (docker/ has an export image)"
    ),
    "tensorrt_rtx": "pip install tensorrt-rtx-cu13 (Linux, no GPU needed)",
}


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """How TensorRT builds.

    Attributes:
        workspace_gib: Most GPU memory that a layer's tactic may use.
        optimization_level: 0 builds quickest, 5 searches longest; 3 is TensorRT's own.
        timing_cache: File of measured tactics: the next build reads it instead of measuring.
        hardware_compatible: Make a plan for every GPU from Ampere on, slower than one for this GPU.
        version_compatible: Make a plan that newer TensorRT releases of the same major read.
    """

    workspace_gib: float = 2.0
    optimization_level: int = 3
    timing_cache: Path | None = None
    hardware_compatible: bool = False
    version_compatible: bool = False

    def __post_init__(self) -> None:
        if self.workspace_gib <= 0:
            raise ValueError(f"workspace_gib must be positive, got {self.workspace_gib}")
        if not 0 <= self.optimization_level <= 5:
            raise ValueError(f"optimization_level must be 0 to 5, got {self.optimization_level}")

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {**asdict(self), "timing_cache": str(self.timing_cache or "")}


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A serialized plan.

    Attributes:
        plan: What Triton loads.
        inspector: TensorRT's layer-by-layer report, JSON; empty where it has none.
        built_with: Package and version, GPU, compute capability and driver.
    """

    plan: bytes
    inspector: str
    built_with: dict[str, str]


def build_engine(
    network: ExportableNetwork,
    graph: onnx.ModelProto,
    *,
    package: str = "tensorrt",
    options: EngineOptions | None = None,
) -> Engine:
    """Parse the graph into a strongly typed network and build its plan.

    Args:
        network: Its contract and ``sizes`` give the optimization profile.
        graph: Of any precision.
        package: ``tensorrt`` or ``tensorrt_rtx``.
        options: How to build.

    Raises:
        TargetError: No package, no GPU, an option it lacks, or a graph that it refuses.
    """
    options = options or EngineOptions()
    trt = tensorrt_module(package)
    gpu = gpu_facts() if package == "tensorrt" else {}
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    parsed = _parsed(trt, builder, logger, graph)
    _check_tensors(network, parsed)
    config = builder.create_builder_config()
    _configure(trt, config, options)
    profile = builder.create_optimization_profile()
    for tensor in network.spec.inputs:
        profile.set_shape(tensor.name, *network.profile(tensor.name))
    config.add_optimization_profile(profile)
    cache = _timing_cache(config, options.timing_cache)
    plan = builder.build_serialized_network(parsed, config)
    if plan is None:
        raise TargetError(f"{package} could not build {network.name}; its log above says why")
    if cache is not None and options.timing_cache is not None:
        options.timing_cache.write_bytes(bytes(config.get_timing_cache().serialize()))
    content = bytes(plan)
    return Engine(
        plan=content,
        inspector=_inspected(trt, logger, content) if gpu else "",
        built_with={"package": package, "version": trt.__version__, **gpu},
    )


def tensorrt_module(package: str) -> Any:
    """``tensorrt`` or ``tensorrt_rtx``.

    Raises:
        TargetError: It is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise TargetError(f"{package} cannot be imported ({error}): {_INSTALL[package]}") from error


def gpu_facts() -> dict[str, str]:
    """Name, compute capability and driver of the first NVIDIA GPU.

    Raises:
        TargetError: There is none.
    """
    query = ["nvidia-smi", "--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30)
        name, capability, driver = (part.strip() for part in done.stdout.splitlines()[0].split(","))
    except (OSError, subprocess.SubprocessError, IndexError, ValueError) as error:
        raise TargetError(
            "TensorRT plans are built on the GPU that will serve them, and this machine has no"
            " NVIDIA GPU (nvidia-smi gave none). Build there, in NVIDIA's image of the Triton"
            " release that serves it (docker/ has an export image), or check the graph here with"
            " --target tensorrt-rtx"
        ) from error
    return {"gpu": name, "compute_capability": capability, "driver": driver}


def _parsed(trt: Any, builder: Any, logger: Any, graph: onnx.ModelProto) -> Any:
    # Strongly typed is the only kind from TensorRT 11 on, where the flag may be gone.
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    parsed = builder.create_network(0 if flag is None else 1 << int(flag))
    parser = trt.OnnxParser(parsed, logger)
    if not parser.parse(graph.SerializeToString()):
        errors = "\n  ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
        raise TargetError(f"TensorRT refuses the graph:\n  {errors}")
    return parsed


def _check_tensors(network: ExportableNetwork, parsed: Any) -> None:
    inputs = {parsed.get_input(i).name for i in range(parsed.num_inputs)}
    outputs = {parsed.get_output(i).name for i in range(parsed.num_outputs)}
    wanted = {t.name for t in network.spec.inputs}, {t.name for t in network.spec.outputs}
    if (inputs, outputs) != wanted:
        raise TargetError(
            f"TensorRT sees {sorted(inputs)} -> {sorted(outputs)}, the contract of {network.name}"
            f" says {sorted(wanted[0])} -> {sorted(wanted[1])}"
        )


def _configure(trt: Any, config: Any, options: EngineOptions) -> None:
    config.set_memory_pool_limit(
        trt.MemoryPoolType.WORKSPACE, int(options.workspace_gib * GIBIBYTE)
    )
    if options.optimization_level != EngineOptions.optimization_level:
        config.builder_optimization_level = options.optimization_level
    # The report of the engine inspector is worth its few kilobytes.
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if options.hardware_compatible:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if options.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)


def _timing_cache(config: Any, path: Path | None) -> Any:
    if path is None:
        return None
    if not hasattr(config, "create_timing_cache"):
        raise TargetError("this TensorRT has no timing cache (TensorRT-RTX measures at run time)")
    cache = config.create_timing_cache(path.read_bytes() if path.exists() else b"")
    config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


def _inspected(trt: Any, logger: Any, plan: bytes) -> str:
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    if engine is None:
        raise TargetError("TensorRT cannot read the plan it has just built")
    report = engine.create_engine_inspector().get_engine_information(
        trt.LayerInformationFormat.JSON
    )
    return json.dumps(json.loads(report), indent=1)
