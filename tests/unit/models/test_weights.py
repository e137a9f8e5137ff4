"""Weights files: only ones that fit are taken, and each misfit has its words."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from packshot.errors import WeightsError
from packshot.models.quality import QualityNet
from packshot.models.weights import load_quality_net, load_weights, save_weights


@pytest.fixture(scope="module")
def network() -> QualityNet:
    torch.manual_seed(0)
    return QualityNet()


def test_round_trip_keeps_values_to_half_precision(network: QualityNet, tmp_path: Path) -> None:
    path = tmp_path / "quality.safetensors"
    save_weights(network, path, metadata={"recipe": "test"})
    loaded = load_quality_net(path)
    assert not loaded.training
    for name, parameter in network.named_parameters():
        loaded_parameter = loaded.get_parameter(name)
        assert loaded_parameter.dtype == torch.float32
        torch.testing.assert_close(loaded_parameter, parameter, rtol=1e-3, atol=1e-4)
    for name, buffer in network.named_buffers():
        torch.testing.assert_close(loaded.get_buffer(name), buffer, rtol=0, atol=0)


def _write(path: Path, change: str, network: QualityNet) -> None:
    state = {k: v.clone() for k, v in network.state_dict().items()}
    if change == "missing":
        del state["score_head.bias"]
    elif change == "extra":
        state["another"] = torch.zeros(1)
    elif change == "shape":
        state["score_head.bias"] = torch.zeros(2)
    elif change == "nan":
        state["score_head.bias"][0] = torch.nan
    save_file(state, path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("missing", r"1 tensors missing \(first: \['score_head.bias'\]\)"),
        ("extra", r"1 left over \(first: \['another'\]\)"),
        ("shape", r"score_head.bias is \(2,\), expected \(1,\)"),
        ("nan", "not finite"),
    ],
)
def test_misfits_are_refused(change: str, words: str, network: QualityNet, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    _write(path, change, network)
    with pytest.raises(WeightsError, match=words):
        load_weights(QualityNet(), path)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "sprung"),)

    path = tmp_path / "weights.pt"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(WeightsError, match="pickled checkpoints are not taken"):
        load_quality_net(path)
    assert not (tmp_path / "sprung").exists()


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights at"):
        load_quality_net(tmp_path / "none.safetensors")
