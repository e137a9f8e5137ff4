"""The README's Python runs as it stands, but for the address and the photo."""

import re
from pathlib import Path

import pytest
import skimage

from packshot.serving.process import TritonProcess

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)


def test_readme_has_python() -> None:
    assert BLOCKS


@pytest.mark.parametrize("block", BLOCKS)
def test_readme_python_runs(
    block: str,
    triton: TritonProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photo = Path(skimage.__file__).parent / "data" / "rocket.jpg"
    (tmp_path / "photo.jpg").write_bytes(photo.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert "localhost:8001" in block
    exec(block.replace("localhost:8001", triton.grpc_address), {})
    assert re.search(r"\d", capsys.readouterr().out)
