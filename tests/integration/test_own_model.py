"""docs/bring-your-own-model.md runs as it stands: a fourth network from PyTorch to served."""

import re
import sys
from pathlib import Path

import pytest

from packshot_export.networks import NETWORKS

PAGE = (Path(__file__).parents[2] / "docs" / "bring-your-own-model.md").read_text()
BLOCKS = re.findall(r"```(python|protobuf)\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (_, own), (_, building), (kind, configuration), (_, serving) = BLOCKS
    assert kind == "protobuf"
    (tmp_path / "colourfulness.py").write_text(own)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # For the server's processes.
    names: dict[str, object] = {}
    try:
        exec(building, names)
        Path("models/colourfulness_net/config.pbtxt").write_text(configuration)
        exec(serving, names)
    finally:
        NETWORKS.pop("colourfulness", None)
        sys.modules.pop("colourfulness", None)
    assert "versions: [ 2 ]" in Path("models/colourfulness_net/config.pbtxt").read_text()
