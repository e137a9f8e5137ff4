"""The quality network: shapes, ranges, budget and its two views."""

import pytest
import torch

from packshot.contracts import QUALITY_NET
from packshot.models.quality import QualityNet, QualityNetConfig


@pytest.fixture(scope="module")
def network() -> QualityNet:
    torch.manual_seed(0)
    return QualityNet().eval()


def views(batch: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, *QUALITY_NET.inputs[0].shape)
    first, second = (
        torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator) for _ in range(2)
    )
    return first, second


def test_outputs_keep_to_the_contract(network: QualityNet) -> None:
    with torch.inference_mode():
        outputs = network(*views(3))
    assert [tuple(o.shape) for o in outputs] == [(3, *t.shape) for t in QUALITY_NET.outputs]
    score, attributes, uncertainty, quality_map = outputs
    assert bool(((score >= 0) & (score <= 100)).all())
    assert bool((uncertainty > 0).all())
    for shares in (attributes, quality_map):
        assert bool(((shares >= 0) & (shares <= 1)).all())


def test_a_photo_is_judged_alike_alone_and_in_a_batch(network: QualityNet) -> None:
    global_view, fragments = views(4)
    with torch.inference_mode():
        together = network(global_view, fragments)
        alone = network(global_view[2:3], fragments[2:3])
    for joint, single in zip(together, alone, strict=True):
        torch.testing.assert_close(joint[2:3], single, atol=1e-4, rtol=1e-4)


def test_both_views_matter(network: QualityNet) -> None:
    (global_view, fragments), (other_global, other_fragments) = views(1), views(1, seed=1)
    with torch.inference_mode():
        features, _ = network.features(global_view, fragments)
        with_other_global, _ = network.features(other_global, fragments)
        with_other_fragments, _ = network.features(global_view, other_fragments)
    assert not torch.allclose(features, with_other_global)
    assert not torch.allclose(features, with_other_fragments)


def test_quality_map_follows_the_patches(network: QualityNet) -> None:
    """A change in one patch moves the features of that patch most."""
    global_view, fragments = views(1)
    changed = fragments.clone()
    changed[0, 64:96, 128:160] = 255
    with torch.inference_mode():
        _, cells = network.features(global_view, fragments)
        _, changed_cells = network.features(global_view, changed)
    moved = (changed_cells - cells)[0, :176].abs().sum(0)
    assert int(moved.argmax()) == 2 * 7 + 4


def test_budget(network: QualityNet) -> None:
    """Issue 3's budget: at most 6 M parameters and 1.5 GMACs for both views."""
    assert sum(p.numel() for p in network.parameters()) <= 6_000_000
    macs = 0

    def count(module: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal macs
        if isinstance(module, torch.nn.Conv2d):
            macs += output.numel() * module.weight[0].numel()
        elif isinstance(module, torch.nn.Linear):
            macs += output.numel() * module.in_features

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    with torch.inference_mode():
        network(*views(1))
    for hook in hooks:
        hook.remove()
    assert 0.5e9 < macs <= 1.5e9


@pytest.mark.parametrize(
    "wrong", [{"hidden": 0}, {"colour_hidden": 0}, {"dropout": 1.0}, {"map_hidden": -1}]
)
def test_configuration_is_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got"):
        QualityNetConfig(**wrong)  # type: ignore[arg-type]
