"""The inpainting network: what it may change, and what it begins as."""

import pytest
import torch

from packshot.models.inpainting import InpaintNet, InpaintNetConfig

TINY = InpaintNetConfig(width=4, inner_blocks=1)


def holed(height: int = 64, width: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    picture = torch.randint(0, 256, (2, height, width, 3), dtype=torch.uint8)
    hole = torch.zeros(2, height, width, 1, dtype=torch.uint8)
    hole[:, 8:24, 16:40] = 255
    return picture, hole


def test_untrained_it_leaves_the_filling_as_it_is() -> None:
    picture, hole = holed()
    assert torch.equal(InpaintNet(TINY)(picture, hole), picture)


@pytest.mark.parametrize("size", [(64, 64), (24, 40)])
def test_it_changes_holes_alone(size: tuple[int, int]) -> None:
    picture, hole = holed(*size)
    network = InpaintNet(TINY)
    torch.nn.init.normal_(network.tail.weight)
    filled = network(picture, hole)
    assert filled.shape == picture.shape
    assert filled.dtype == torch.uint8
    outside = (hole == 0).expand_as(picture)
    assert torch.equal(filled[outside], picture[outside])
    assert not torch.equal(filled, picture)


def test_it_sees_the_whole_of_a_packshot() -> None:
    picture, hole = holed()
    network = InpaintNet()
    torch.nn.init.normal_(network.tail.weight)
    other = picture.clone()
    other[:, 60:, 60:] = 255 - other[:, 60:, 60:]
    changed = (network(picture, hole) != network(other, hole))[:, 8:24, 16:40]
    assert changed.any()


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match="got 0 and 4"):
        InpaintNetConfig(width=0)
