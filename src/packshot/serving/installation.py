"""Where tritonserver is: on PATH (the NGC image), or inside the PyPI wheel nvidia-pytriton."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from packshot.errors import MissingDependencyError

BACKEND_FILES = ("libtriton_python.so", "triton_python_backend_utils.py")
STUB = "triton_python_backend_stub"


@dataclass(frozen=True, kw_only=True)
class Installation:
    """One usable tritonserver.

    Attributes:
        executable: The server.
        backend_directory: Folder that holds ``python/``; ``None`` is the server's own default.
        cache_directory: Folder of response caches; ``None`` is the server's own default.
        library_directories: What LD_LIBRARY_PATH must start with.
    """

    executable: Path
    backend_directory: Path | None = None
    cache_directory: Path | None = None
    library_directories: tuple[Path, ...] = ()


def find_installation(
    *, executable: Path | None = None, cache_root: Path | None = None
) -> Installation:
    """The tritonserver to run: the one named, else one on PATH, else the one in the wheel.

    Args:
        executable: A tritonserver of the caller's choice, with its backends beside it.
        cache_root: Where to prepare the wheel's backend folder.

    Raises:
        MissingDependencyError: There is none, or the wheel has no stub for this Python.
    """
    if executable is not None:
        if not os.access(executable, os.X_OK) or executable.is_dir():
            raise MissingDependencyError(f"{executable} is not a program that can be run.")
        return Installation(executable=executable)
    on_path = shutil.which("tritonserver")
    if on_path is not None:
        return Installation(executable=Path(on_path))
    wheel = _wheel_directory()
    if wheel is None:
        raise MissingDependencyError(
            "tritonserver is neither on PATH nor installed from PyPI. On Linux x86-64: "
            "pip install 'packshot[server,triton]'. Elsewhere use the NGC image, see docker/."
        )
    return _from_wheel(wheel, cache_root or default_cache_root())


def default_cache_root() -> Path:
    """``$XDG_CACHE_HOME/packshot``, by default ``~/.cache/packshot``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "packshot"


def python_library_directory() -> Path | None:
    """Folder of the running Python's libpython, or ``None`` where it has no shared one."""
    folder, name = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME")
    if not folder or not name:
        return None
    return Path(folder) if (Path(folder) / name).exists() else None


def _wheel_directory() -> Path | None:
    # find_spec, not import: importing pytriton changes logging and the sys.path.
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        return None
    directory = Path(spec.origin).parent / "tritonserver"
    return directory if (directory / "bin" / "tritonserver").exists() else None


def _from_wheel(wheel: Path, cache_root: Path) -> Installation:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = wheel / "python_backend_stubs" / version / STUB
    if not stub.exists():
        available = sorted(entry.name for entry in (wheel / "python_backend_stubs").iterdir())
        raise MissingDependencyError(
            f"nvidia-pytriton has no Python-backend stub for Python {version}, only for "
            f"{', '.join(available)}. Make the environment with one of these."
        )
    sources = [wheel / "backends" / "python" / name for name in BACKEND_FILES]
    libraries = [wheel.parent.parent / "nvidia_pytriton.libs"]
    libpython = python_library_directory()
    if libpython is not None:
        libraries.append(libpython)
    return Installation(
        executable=wheel / "bin" / "tritonserver",
        backend_directory=_linked_backends([*sources, stub], cache_root),
        cache_directory=wheel / "caches",
        library_directories=tuple(libraries),
    )


def _linked_backends(sources: list[Path], cache_root: Path) -> Path:
    """A backend folder of links to the wheel's files, made once and shared by all servers.

    The wheel keeps the stubs of all Python versions apart from the backend, which wants its
    one stub beside it; links keep the wheel as pip left it.
    """
    identity = sha256("\n".join(map(str, sources)).encode()).hexdigest()[:12]
    target = cache_root / f"backends-{identity}"
    if _is_linked(target, sources):
        return target
    try:
        cache_root.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".backends-", dir=cache_root))
    except OSError:
        # A read-only home, as in hardened containers.
        staging = target = Path(tempfile.mkdtemp(prefix="packshot-backends-"))
    (staging / "python").mkdir()
    for source in sources:
        (staging / "python" / source.name).symlink_to(source)
    if staging != target:
        target = _published(staging, target, sources)
    return target


def _published(staging: Path, target: Path, sources: list[Path]) -> Path:
    try:
        staging.rename(target)
    except OSError:
        # Another server published first, or an older install left broken links.
        if _is_linked(target, sources):
            shutil.rmtree(staging, ignore_errors=True)
        else:
            shutil.rmtree(target, ignore_errors=True)
            staging.rename(target)
    return target


def _is_linked(target: Path, sources: list[Path]) -> bool:
    return all((target / "python" / source.name).exists() for source in sources)
