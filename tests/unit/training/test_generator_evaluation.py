"""Measuring generators: distances against their definitions, recognition, copies, the command."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.linalg import sqrtm
from typer.testing import CliRunner

from packshot.contracts import CATEGORIES
from packshot.models.generator import Generator, GeneratorConfig
from packshot.models.weights import save_weights
from packshot.training.evaluation import cli
from packshot.training.evaluation.generator_classifier import train_classifier
from packshot.training.evaluation.generator_copies import nearest, nearest_by_pixels, nearness
from packshot.training.evaluation.generator_distances import (
    FloatArray,
    density_and_coverage,
    frechet_distance,
    kernel_distance,
    set_distances,
)
from packshot.training.evaluation.generator_features import (
    PictureFeatures,
    PixelArray,
    last_layer,
)
from packshot.training.evaluation.generator_judges import JUDGES, read_real
from packshot.training.evaluation.generator_pixel_judge import pixel_judge
from packshot.training.evaluation.generator_samples import draw_samples, pictures_seen
from packshot.training.evaluation.generator_spread import spread
from packshot.training.generation.dcgan import DcganConfig, DcganGenerator
from packshot.training.generation.packshots import Packshots


def normal(count: int, width: int = 6, *, seed: int = 0, shift: float = 0.0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, width)) * np.arange(1, width + 1) + shift).astype("f4")


def test_the_frechet_distance_is_that_of_its_definition() -> None:
    x, y = normal(50), normal(40, seed=1, shift=0.5) @ normal(6, seed=2)
    covariances = [np.cov(one.astype(np.float64), rowvar=False) for one in (x, y)]
    root = sqrtm(covariances[0] @ covariances[1]).real
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(sum(covariances) - 2 * root)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-4)
    assert frechet_distance(x, x) == pytest.approx(0.0, abs=1e-6)


def test_the_frechet_distance_of_fewer_pictures_than_features_is_defined() -> None:
    x = normal(5, 20)
    assert frechet_distance(x, x[::-1]) == pytest.approx(0.0, abs=1e-4)
    assert frechet_distance(x, x + 2) == pytest.approx(4.0 * 20, rel=1e-3)


def test_the_kernel_distance_is_the_mean_over_pairs() -> None:
    x, y = normal(4, 3), normal(3, 3, seed=1)

    def kernel(a: FloatArray, b: FloatArray) -> float:
        return float((a.astype(np.float64) @ b / 3 + 1) ** 3)

    within = [
        np.mean([kernel(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j])
        for s in (x, y)
    ]
    across = np.mean([kernel(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(sum(within) - 2 * across)


def test_the_kernel_distance_of_one_source_is_about_nothing_at_any_count() -> None:
    same = [kernel_distance(normal(20, seed=s), normal(20, seed=100 + s)) for s in range(60)]
    apart = [kernel_distance(normal(20, seed=s), normal(20, seed=s, shift=3)) for s in range(60)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(60)
    assert np.mean(apart) > 10 * abs(np.mean(same))


def test_density_and_coverage_tell_fidelity_from_variety() -> None:
    real = normal(200, 2)
    density, coverage = density_and_coverage(real, normal(200, 2, seed=1))
    assert density == pytest.approx(1.0, abs=0.25)
    assert coverage > 0.85
    density, coverage = density_and_coverage(real, np.repeat(real[:1], 200, axis=0))
    assert density > 0.5
    assert coverage < 0.2
    assert density_and_coverage(real, real + 1000) == (0.0, 0.0)


def test_a_shifted_category_alone_is_farther() -> None:
    numbers = np.repeat([0, 1], 30)
    real, other = normal(60), normal(60, seed=1)
    other[30:] += 8
    found = set_distances(real, numbers, other, numbers, categories=("good", "bad"), draws=5)
    again = set_distances(real, numbers, other, numbers, categories=("good", "bad"), draws=5)
    assert found == again
    assert {name: one.count for name, one in found.items()} == {"good": 24, "bad": 24, "all": 48}
    for measure in ("FD", "KID"):
        good, bad = (found[name].measures[measure] for name in ("good", "bad"))
        assert bad.low > good.high
        assert bad.low <= bad.value <= bad.high


def test_copies_are_found_mirrored_or_not() -> None:
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    copies = np.stack([train[7], train[3][:, ::-1]])
    found = nearest_by_pixels(copies, train)
    assert found.rows.tolist() == [7, 3]
    assert found.distances.max() < 0.5
    other = nearest_by_pixels(rng.integers(0, 256, (50, 8, 8, 3), dtype=np.uint8), train)
    near = nearness(found, other)
    assert near.suspicious == 1.0
    assert near.quantiles["nearest"] < 0.5
    assert nearness(other, other).suspicious <= 0.02


def test_spread_is_that_of_its_definition() -> None:
    flat = np.zeros((4, 64, 64, 3), np.uint8)
    flat[1], flat[2], flat[3] = 40, 100, 100  # of two categories: 20 from their mean, and alike
    found = spread(Packshots(pictures=flat, categories=np.array([0, 0, 5, 5]), names=("",) * 4))
    assert set(found) == {CATEGORIES[0], CATEGORIES[5], "all"}
    # Two of unknown mean stand for a deviation of their distance over the root of two.
    assert found[CATEGORIES[0]].value == pytest.approx(20 * np.sqrt(2))
    assert found[CATEGORIES[5]].value == 0
    assert found["all"].value == pytest.approx(10 * np.sqrt(2))


def test_spread_does_not_depend_on_the_count_and_has_an_interval() -> None:
    rng = np.random.default_rng(0)
    pictures = np.broadcast_to(rng.integers(0, 256, (400, 1, 1, 1), np.uint8), (400, 64, 64, 3))
    categories, names = np.zeros(400, np.int64), ("",) * 400
    whole = Packshots(pictures=pictures, categories=categories, names=names)
    few = [spread(whole.chosen(rng.choice(400, 4)))["all"].value for _ in range(100)]
    expected = spread(whole)["all"]
    assert np.mean(few) == pytest.approx(expected.value, rel=0.1)
    assert expected.low < expected.value < expected.high
    assert expected.high - expected.low < 0.15 * expected.value


def test_nearest_is_euclidean() -> None:
    found = nearest(np.array([[0, 0], [9, 9]], "f4"), np.array([[3, 4], [9, 8]], "f4"))
    assert found.rows.tolist() == [0, 1]
    assert found.distances.tolist() == pytest.approx([5.0, 1.0], abs=1e-3)


def test_the_classifier_learns_and_says_what_it_takes_for_what() -> None:
    rng = np.random.default_rng(0)
    categories = np.repeat(np.arange(3), 40)
    centres = rng.standard_normal((3, 16)) * 3
    features = (centres[categories] + rng.standard_normal((120, 16))).astype("f4")
    classifier = train_classifier(features, categories)
    right = classifier.recognition(features, categories, ("a", "b", "c"))
    assert right.overall.value > 0.95
    assert right.overall.low < right.overall.value
    wrong = classifier.recognition(features, (categories + 1) % 3, ("a", "b", "c"))
    assert wrong.overall.value < 0.05
    assert wrong.confusion[1][0] > 0.9  # called b, taken for a
    again = train_classifier(features, categories).classify(features)
    assert np.array_equal(again, classifier.classify(features))


def coloured(count: int, *, seed: int) -> tuple[PixelArray, npt.NDArray[np.int64]]:
    """Discs and crosses of any colour, on white."""
    rng = np.random.default_rng(seed)
    y, x = np.abs(np.mgrid[-32:32, -32:32])
    shapes = np.stack([np.hypot(x, y) < 18, (np.minimum(x, y) < 6) & (np.maximum(x, y) < 24)])
    categories = rng.integers(0, 2, count)
    colours = rng.integers(0, 160, (count, 1, 1, 3))
    pictures = np.where(shapes[categories][..., None], colours, 255)
    return pictures.astype(np.uint8), categories.astype(np.int64)


def test_the_pixel_judge_learns_shapes_it_has_not_seen_and_is_kept(tmp_path: Path) -> None:
    pictures, categories = coloured(320, seed=0)
    unseen, theirs = coloured(60, seed=1)
    epochs: list[tuple[int, int]] = []
    judge = pixel_judge(
        pictures, categories, cache=tmp_path, advance=lambda *done: epochs.append(done)
    )
    features = judge.of(unseen)
    assert (features.shape, features.dtype) == ((60, 128), np.float32)
    found = judge.classifier.recognition(features, theirs, ("disc", "cross"))
    assert found.overall.value > 0.9
    assert epochs[-1] == (len(epochs), len(epochs))
    trained = len(epochs)
    again = pixel_judge(pictures, categories, cache=tmp_path, advance=lambda *_: epochs.append(_))
    np.testing.assert_allclose(again.of(unseen), features, rtol=1e-4, atol=1e-4)
    assert len(epochs) == trained  # read, not trained
    pixel_judge(pictures[:64], categories[:64], cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_pixel_judge_is_the_same_each_time_and_leaves_the_random_state_alone() -> None:
    pictures, categories = coloured(40, seed=0)
    torch.manual_seed(5)
    first = pixel_judge(pictures, categories)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    second = pixel_judge(pictures, categories)
    assert torch.equal(torch.rand(3), drawn)
    assert np.array_equal(first.of(pictures), second.of(pictures))


def test_both_judges_know_the_real_pictures(packshots_folder: Path, tmp_path: Path) -> None:
    real = read_real(packshots_folder.parent, tmp_path, lambda *_: None)
    assert tuple(judge.name for judge in real.judges) == JUDGES
    for judge in real.judges:
        assert len(judge.train_features) == len(real.train)
        assert len(judge.held_back_features) == len(real.held_back)
        itself = judge.distances(judge.held_back_features, real.held_back, 2)["all"]
        other = judge.distances(judge.train_features, real.train, 2)["all"]
        assert itself.measures["FD"].value < other.measures["FD"].value


def test_features_are_kept_by_their_pictures(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    features = PictureFeatures(tmp_path)
    seen: list[int] = []
    first = features.kept(pictures, lambda done, _: seen.append(done))
    assert (first.shape, seen) == ((3, 1456), [3])
    assert last_layer(first).shape == (3, 1280)
    again = features.kept(pictures, lambda done, _: seen.append(done))
    assert np.array_equal(first, again)
    assert seen == [3]
    features.kept(pictures[:2])
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_samples_are_of_every_category_and_the_same_each_time() -> None:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(width=2, style_size=8)).eval()
    samples = draw_samples(generator, per_category=3, truncation=1.0)
    assert np.bincount(samples.categories).tolist() == [3] * 13
    assert samples.names[3] == f"{CATEGORIES[1]}/0"
    again = draw_samples(generator, per_category=3, truncation=1.0)
    assert np.array_equal(samples.pictures, again.pictures)


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, Path]:
    torch.manual_seed(0)
    networks = {
        "ours": Generator(GeneratorConfig(width=2, style_size=8)),
        "dcgan": DcganGenerator(DcganConfig(width=1)),
    }
    found = {}
    for name, network in networks.items():
        found[name] = tmp_path / f"{name}.safetensors"
        metadata = {"pictures_seen": "640"} if name == "ours" else {}
        save_weights(network, found[name], metadata=metadata)
    return found


def test_the_command_measures_and_reports(
    packshots_folder: Path, weights: dict[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    options = {
        "--data": packshots_folder.parent,
        "--weights": weights["ours"],
        "--against": f"plain one={weights['dcgan']}",
        "--out": tmp_path / "report",
        "--cache": tmp_path / "cache",
        "--samples": 2,
        "--draws": 2,
        "--pairs": 3,
        "--threads": 1,
    }
    arguments = [str(part) for option in options.items() for part in option]
    result = CliRunner().invoke(cli.app, ["generator", *arguments])
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "report" / "report.json").read_text())["evaluation"]
    assert (report["train"], report["held_back"], report["samples"]) == (117, 26, 2)
    ours, plain = report["generators"]
    assert (ours["name"], ours["pictures_seen"]) == ("generator", 640)
    assert (plain["name"], plain["pictures_seen"]) == ("plain one", None)
    assert set(ours["at"]) == {"0.7", "1.0"}
    served, full = ours["at"]["0.7"], ours["at"]["1.0"]
    for judge in JUDGES:
        assert set(full["distances"][judge]) == {*CATEGORIES, "all"}
        assert set(report["floor"][judge]["all"]["measures"]) == {
            "FD",
            "KID",
            "density",
            "coverage",
        }
        for spreads in (report["spread"], full["spread"]):
            assert set(spreads) == {*CATEGORIES, "all"}
        for recognition in (report["recognition"][judge], served["recognition"][judge]):
            assert set(recognition["by_category"]) == set(CATEGORIES)
    assert "real, held out" in report["copies"]["by_pixels"]
    written = {path.name for path in (tmp_path / "report").iterdir()}
    assert {
        "report.txt",
        "by_category.png",
        "confusion.png",
        "samples_plain_one_0.7.png",
        "closest_truncation_1.0__by_features.png",
    } <= written
    words = " ".join((tmp_path / "report" / "report.txt").read_text().split())
    assert "plain one" in words
    assert "have not all seen as many pictures" in words
    assert "Lite0 has trained all generators but those of the recipes dcgan and without-" in words


@pytest.mark.parametrize("pair", ["dcgan", "=file", "dcgan="])
def test_comparisons_are_named(pair: str, weights: dict[str, Path]) -> None:
    result = CliRunner().invoke(
        cli.app,
        ["generator", "--data", ".", "--weights", str(weights["ours"]), "--against", pair],
        env={"COLUMNS": "200"},
    )
    assert result.exit_code == 2
    assert f"--against expects NAME=FILE, got '{pair}'" in result.output


def test_weights_tell_how_many_pictures_they_have_seen(weights: dict[str, Path]) -> None:
    assert pictures_seen(weights["ours"]) == 640
    assert pictures_seen(weights["dcgan"]) is None


def test_a_training_is_measured_through_time(
    packshots_folder: Path, weights: dict[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    run = tmp_path / "run"
    (run / "weights").mkdir(parents=True)
    options = {"--data": packshots_folder.parent, "--run": run, "--out": tmp_path / "report"}
    options |= {"--samples": 2, "--cache": tmp_path / "cache", "--threads": 1, "--every": 2}
    arguments = ["generator-progress", *(str(p) for option in options.items() for p in option)]
    empty = CliRunner().invoke(cli.app, arguments)
    assert "holds no weights" in str(empty.exception)
    for step in (2, 4, 6):
        (run / "weights" / f"{step:06}.safetensors").write_bytes(weights["ours"].read_bytes())
    (run / "log.csv").write_text("step,seconds,generator\n2,1.0,0.5\n4,1.0,0.4\n")
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0, result.output
    stages = json.loads((tmp_path / "report" / "report.json").read_text())["stages"]
    assert [stage["step"] for stage in stages] == [2, 6]
    assert stages[0]["recognised"] == stages[1]["recognised"]
    assert stages[0]["spread"]["value"] > 0
    assert (tmp_path / "report" / "curves.png").is_file()
