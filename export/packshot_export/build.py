"""PyTorch weights to a proven model version: load, graph, prove, compile, prove again, write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
import openvino
from torch import nn

from packshot.errors import WeightsError
from packshot_export.calibration import CalibrationFile
from packshot_export.engine import Engine, build_engine
from packshot_export.engine_runtime import EngineRuntime
from packshot_export.errors import TargetError
from packshot_export.golden import GOLDEN_COUNT, Golden
from packshot_export.graph import OPSET, graph_hash, graph_in
from packshot_export.half import half_module
from packshot_export.manifest import write_manifest
from packshot_export.networks import ExportableNetwork
from packshot_export.parity import ParityGate, ParityReport
from packshot_export.pictures import (
    Picture,
    folder_pictures,
    generated_pictures,
    halves,
    labelled_pictures,
)
from packshot_export.precision import Precision
from packshot_export.recipe import Recipe, Target, manifest_facts
from packshot_export.runtimes import OnnxRuntime, OpenVinoRuntime, Runtime, TorchRuntime
from packshot_export.signing import SIGNATURE, sign
from packshot_export.torch_front_end import build_engine_from_module
from packshot_export.version import next_version, sha256_of, staged_version

Report = Callable[[str], None]
"""Called with the name of each stage as it starts."""

STAGES = (
    "load weights",
    "gather pictures",
    "run PyTorch",
    "export graph",
    "prove graph",
    "compile",
    "prove compiled model",
    "write",
)

PICTURE_SEED = 1000
"""Of the generated pictures that stand in for photos."""
LABELLED = 720
"""Most labelled pictures that are looked at."""


def build(
    network: ExportableNetwork,
    *,
    repository: Path,
    recipe: Recipe | None = None,
    version: int | None = None,
    replace: bool = False,
    report: Report = lambda _: None,
) -> Path:
    """Build ``<repository>/<model>/<version>/``.

    Nothing is written unless ONNX Runtime and the compiled model answer as PyTorch does.

    Args:
        network: What to export.
        repository: The Triton model repository.
        recipe: Target, precision, weights and pictures.
        version: Version to create; by default one more than the highest.
        replace: See ``staged_version``.
        report: Told each stage of ``STAGES`` as it starts.

    Returns:
        The version folder.

    Raises:
        packshot.errors.WeightsError: The weights do not fit the network.
        CalibrationError: Pictures are missing or cannot be decoded, or the shipped calibration is
            for other weights.
        TargetError: The target's package or GPU is not here, or it refuses the graph.
        ParityError: A runtime does not answer as PyTorch does.
        VersionExistsError: The version is there and ``replace`` is false.
        VersionError: The disk is full or read-only.
        BusyError: Another process builds or publishes this model.
    """
    recipe = recipe or Recipe()
    if recipe.target is Target.TORCH_TENSORRT and recipe.precision is Precision.INT8:
        raise TargetError("torch-tensorrt builds fp32 and fp16; take --target tensorrt for int8")
    weights = recipe.weights or network.weights
    model = repository / network.spec.name
    version = version or next_version(model)
    with staged_version(model, version, replace=replace) as staging:
        report("load weights")
        module = network.load(weights)
        try:
            weights_sha256 = sha256_of(weights)
        except OSError as error:
            raise WeightsError(f"{weights} cannot be read: {error}") from error
        facts = manifest_facts(
            network, recipe, version=version, weights_sha256=weights_sha256, weights=weights
        )
        report("gather pictures")
        pictures = (
            folder_pictures(recipe.calibration, recipe.pictures)
            if recipe.calibration
            else generated_pictures(recipe.pictures, PICTURE_SEED)
        )
        calibration, held_out = halves(pictures.pictures)
        labelled = labelled_pictures(recipe.labelled, LABELLED) if recipe.labelled else None
        shipped = _shipped_calibration(network, recipe, weights_sha256)
        report("run PyTorch")
        gate = ParityGate(
            network,
            TorchRuntime(module, network.spec),
            precision=recipe.precision,
            # What INT8 costs on photos was proved when it was calibrated, before it shipped.
            pictures=() if shipped else held_out,
            labelled=labelled,
        )
        report("export graph")
        graph = graph_in(
            recipe.precision, network, module, shipped.calibration if shipped else calibration
        )
        onnx.save(graph, staging / "model.onnx")
        report("prove graph")
        onnx_runtime = OnnxRuntime(graph, emulate_int8=True)
        parity = [gate.check(onnx_runtime)]
        report("compile")
        compiled, built_with = _compiled(network, recipe, module, graph, staging)
        report("prove compiled model")
        if compiled is not None:
            parity.append(gate.check(compiled))
            if shipped:
                parity.append(_same_as_graph(network, recipe, onnx_runtime, held_out, compiled))
        report("write")
        golden_inputs = network.inputs_of(held_out[:GOLDEN_COUNT])
        answers = Golden.record(golden_inputs, compiled or onnx_runtime, recipe.precision)
        answers.write(staging)
        manifest = write_manifest(
            staging,
            {
                **facts,
                "opset": OPSET,
                "graph_sha256": graph_hash(graph),
                "built_with": built_with,
                "pictures": pictures.to_json(),
                "calibration": shipped.facts() if shipped else None,
                "labelled": labelled.source if labelled else None,
                "parity": {
                    key: [item for found in parity for item in found.to_json()[key]]
                    for key in ("outputs", "metrics")
                },
            },
        )
        if recipe.sign_key is not None:
            (staging / SIGNATURE).write_bytes(sign(manifest, recipe.sign_key))
    return model / str(version)


def _shipped_calibration(
    network: ExportableNetwork, recipe: Recipe, weights_sha256: str
) -> CalibrationFile | None:
    """What ships with the shipped weights, where INT8 is built of them without other photos."""
    path = network.calibration_file
    wanted = recipe.precision is Precision.INT8 and not recipe.calibration and not recipe.weights
    return CalibrationFile.read(path, weights_sha256) if wanted and path.is_file() else None


def _same_as_graph(
    network: ExportableNetwork,
    recipe: Recipe,
    graph: Runtime,
    pictures: Sequence[Picture],
    compiled: Runtime,
) -> ParityReport:
    """The compiled model against the graph whose cost is known."""
    gate = ParityGate(network, graph, precision=recipe.precision, pictures=pictures)
    return gate.check(compiled)


def _compiled(
    network: ExportableNetwork,
    recipe: Recipe,
    module: nn.Module,
    graph: onnx.ModelProto,
    staging: Path,
) -> tuple[Runtime | None, dict[str, Any]]:
    """Compile into the staging folder; the runtime to prove, where it can run here."""
    if recipe.target is Target.OPENVINO:
        compiled = openvino.convert_model(staging / "model.onnx")
        # The graph says the precision; the default would round the weights to FP16.
        openvino.save_model(compiled, staging / "model.xml", compress_to_fp16=False)
        (staging / "model.py").write_text(_served_module(network))
        built_with = {"package": "openvino", "version": openvino.get_version()}
        return OpenVinoRuntime(staging / "model.xml"), built_with
    if recipe.target is Target.TENSORRT_RTX:
        engine = build_engine(network, graph, package="tensorrt_rtx", options=recipe.engine)
        (staging / "model.engine").write_bytes(engine.plan)
        return None, dict(engine.built_with)
    engine = _plan(network, recipe, module, graph)
    (staging / "model.plan").write_bytes(engine.plan)
    if engine.inspector:
        (staging / "engine.json").write_text(engine.inspector)
    return EngineRuntime(engine.plan), dict(engine.built_with)


def _plan(
    network: ExportableNetwork, recipe: Recipe, module: nn.Module, graph: onnx.ModelProto
) -> Engine:
    if recipe.target is Target.TENSORRT:
        return build_engine(network, graph, options=recipe.engine)
    if recipe.precision is Precision.FP16:
        module = half_module(module, islands=network.float32_islands, widened=network.float32_after)
    return build_engine_from_module(network, module, recipe.engine)


def _served_module(network: ExportableNetwork) -> str:
    return (
        f'"""Serves {network.spec.name}; written by packshot-export."""\n\n'
        f"from {network.stage_module} import TritonPythonModel\n\n"
        '__all__ = ["TritonPythonModel"]\n'
    )
