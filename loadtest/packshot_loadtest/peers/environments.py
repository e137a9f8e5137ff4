"""Environments of the peers' own: made once, kept, and made anew when what they need changes."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

from packshot_loadtest.errors import PeerError
from packshot_loadtest.peers.catalogue import Peer
from packshot_loadtest.preparation import Progress

_STAMP = "packshot-peer.json"
_INSTALL_S = 1800
# What does the work is the same everywhere; all else is as a peer wants it, which packshot's own
# pins would hold back (BentoML by years).
_SAME_EVERYWHERE = (
    "numpy",
    "onnxruntime",
    "opencv-python-headless",
    "openvino",
    "pillow",
    "simplejpeg",
)


def peer_python(peer: Peer, folder: Path, source: Path, *, progress: Progress) -> Path:
    """The interpreter of a peer's environment, which has packshot's stages in it.

    Args:
        peer: Which.
        folder: Where environments are kept.
        source: packshot's source tree.
        progress: Told what is being done.

    Raises:
        PeerError: It could not be made.
    """
    place = folder / peer.slug
    python = place / "bin" / "python"
    wanted = {
        "requirements": list(peer.requirements),
        "python": sys.version,
        "source": str(source.resolve()),
    }
    stamp = place / _STAMP
    if stamp.exists() and json.loads(stamp.read_text()) == wanted:
        return python
    progress(f"{peer.name}: making its environment in {place} (once, some minutes)")
    venv.create(place, clear=True, with_pip=False)
    # Editable, so that what is measured is the code of today.
    packages = [*peer.requirements, "--editable", f"{source}[server]"]
    constraints = place / "constraints.txt"
    constraints.write_text(_same_everywhere(source / "constraints.txt"))
    try:
        _uv("install", python, *packages, f"--constraint={constraints}", timeout_s=_INSTALL_S)
    except subprocess.CalledProcessError as error:
        raise PeerError(
            f"the environment of {peer.name} could not be made: {error.stderr[-2000:]}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise PeerError(f"{peer.name}: uv did not end within {_INSTALL_S} s") from error
    stamp.write_text(json.dumps(wanted))
    return python


def installed_in(python: Path) -> dict[str, str]:
    """Every package of an environment and its version."""
    packages = json.loads(_uv("list", python, "--format=json", timeout_s=120))
    return {package["name"]: package["version"] for package in packages}


def _same_everywhere(constraints: Path) -> str:
    lines = constraints.read_text().splitlines()
    return "\n".join(line for line in lines if line.partition("==")[0].lower() in _SAME_EVERYWHERE)


def _uv(command: str, python: Path, *arguments: str, timeout_s: float) -> str:
    # pip searched for a set of versions that fits BentoML for over ten minutes; uv takes seconds.
    uv = [sys.executable, "-m", "uv", "--quiet", "pip", command, f"--python={python}"]
    done = subprocess.run(
        [*uv, *arguments], check=True, capture_output=True, text=True, timeout=timeout_s
    )
    return done.stdout
