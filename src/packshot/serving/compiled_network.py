"""Networks compiled by OpenVINO for this CPU, and a folder that remembers them.

Compiling is most of what a process that serves a network does before its first answer. A model is
loaded again whenever its process has died, so what was compiled is kept, and the next process
imports it, in a third of the time. What is kept is only ever a shortcut: whatever is wrong with
it, the network is compiled from its files. (OpenVINO's own cache, ``CACHE_DIR``, was tried: of
2026.4 it takes a blob with damaged bytes without a word and answers wrongly, and it only grows.)
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import openvino as ov

from packshot.errors import ModelRepositoryError
from packshot.serving.installation import default_cache_root

_KEPT_BYTES: Final = 128 * 1024 * 1024
_SUFFIX: Final = ".blob"
_DIGEST_BYTES: Final = 32


def compiled_network(
    path: Path,
    *,
    threads: int,
    streams: int = 1,
    shapes: Mapping[str, Sequence[int]] | None = None,
    cache: Path | None = None,
) -> Any:
    """An exported network, ready to make inference requests.

    Args:
        path: ``model.xml`` in a version folder, with ``model.bin`` beside it.
        threads: How many compute.
        streams: Inferences side by side; they share the threads.
        shapes: Of the inputs by name, where they are fixed, which is quicker; free by default.
        cache: Where compiled networks are kept; by default the user's cache folder.

    Raises:
        ModelRepositoryError: The network was not built.
    """
    if not path.exists():
        network = path.parent.parent.name.removesuffix("_net")
        raise ModelRepositoryError(
            f"{path} is missing. Build it with: packshot-export build {network}"
        )
    properties: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": streams,
        # Without it CPUs with AMX would compute in bfloat16 and answer differently from others.
        "INFERENCE_PRECISION_HINT": "f32",
        # The cores are shared with decoding and with Triton's own threads.
        "ENABLE_CPU_PINNING": False,
    }
    folder = cache or default_cache_root() / "networks"
    kept = folder / f"{_identity(path, properties, shapes)}{_SUFFIX}"
    core = ov.Core()
    blob = _read_kept(kept)
    if blob is not None:
        with contextlib.suppress(RuntimeError):  # Compiled anew, and written over, below.
            return core.import_model(blob, "CPU", properties)
    model = core.read_model(path)
    if shapes is not None:
        model.reshape({name: list(shape) for name, shape in shapes.items()})
    compiled = core.compile_model(model, "CPU", properties)
    _keep(kept, compiled)
    return compiled


def _identity(
    path: Path, properties: Mapping[str, Any], shapes: Mapping[str, Sequence[int]] | None
) -> str:
    """Of the network's files, of what it is compiled to, of the compiler and of the CPU."""
    digest = sha256()
    wanted = (sorted(properties.items()), sorted((shapes or {}).items()), ov.__version__)
    digest.update(repr(wanted).encode())
    digest.update(_cpu_features().encode())
    for file in (path, path.with_suffix(".bin")):
        if file.exists():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:32]


def _cpu_features() -> str:
    """Which instructions there are: a home folder may be shared by different machines."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return ""


def _read_kept(file: Path) -> bytes | None:
    """The blob, if it is there and as it was written."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    digest, blob = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return blob if sha256(blob).digest() == digest else None


def _keep(file: Path, compiled: Any) -> None:
    """Write it down for the next process, in one step: several may start at once."""
    blob = compiled.export_model().getvalue()
    # A read-only or full disk costs the next start a second, not this one its service.
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".writing-", dir=file.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(sha256(blob).digest() + blob)
            Path(name).replace(file)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        for old in _beyond(file.parent, _KEPT_BYTES):
            old.unlink(missing_ok=True)


def _beyond(folder: Path, limit: int) -> Iterator[Path]:
    """Files of the folder but the newest ones that fit into the limit."""
    files = [(entry.stat(), Path(entry.path)) for entry in os.scandir(folder)]
    total = 0
    for status, file in sorted(files, key=lambda known: -known[0].st_mtime_ns):
        total += status.st_size
        if total > limit:
            yield file
