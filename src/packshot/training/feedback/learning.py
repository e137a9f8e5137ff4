"""The feedback loop: labels in, an improved network and an honest report of it out."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from packshot.errors import TrainingError
from packshot.models.quality import QualityNet
from packshot.models.weights import load_quality_net, save_weights
from packshot.training.feedback.features import labelled_features, scores_of, serving_features
from packshot.training.feedback.label_agreement import label_agreement
from packshot.training.feedback.labels import Labels
from packshot.training.feedback.recipe import FeedbackRecipe
from packshot.training.feedback.trainer import fine_tune
from packshot.training.metrics import METRICS, Estimate, FloatArray, bootstrap
from packshot.training.quality.photos import LabelledPhoto, split_biq2021
from packshot.training.report_file import write_json

WEIGHTS_NAME = "quality.safetensors"
REPORT_NAME = "feedback.json"

Advance = Callable[[str, int, int], None]
"""Called with (what is being done, how much of it is done, how much there is)."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Agreement with people before and after the fine-tuning, on the same photos."""

    before: dict[str, Estimate]
    after: dict[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class FeedbackReport:
    """What a fine-tuning did.

    Attributes:
        kind: Kind of the labels.
        learned_from: Labels learned from.
        held_out: Labels measured on.
        held_out_seen: Held-out pairs of which a photo also occurs in a pair learned from (the
            pair itself does not); 0 for other kinds.
        agreement: On the held-out labels.
        known: On the validation photos of BIQ2021, if ``--data`` has them: what was forgotten.
        mean_change: Mean absolute change of the score, in points, on photos with no label: the
            BIQ2021 validation photos, or the held-out photos with a fault.
    """

    kind: str
    learned_from: int
    held_out: int
    held_out_seen: int
    agreement: Comparison
    known: Comparison | None
    mean_change: float


def learn_from_labels(
    labels: Labels,
    *,
    init: Path,
    run_folder: Path,
    recipe: FeedbackRecipe,
    data: Path | None = None,
    device: str = "cpu",
    advance: Advance = lambda _what, _done, _total: None,
) -> FeedbackReport:
    """Fine-tune the weights ``init`` on labels; write the weights and the report.

    The weights written are the ones measured: the held-out labels are not learned from.

    Raises:
        TrainingError: Photos that cannot be decoded, or a run folder of another training.
        WeightsError: ``init`` does not fit the network.
    """
    _refuse_foreign_folder(run_folder, init)
    initial = load_quality_net(init).to(device)
    train, held_out = hold_out(labels, recipe)
    known, others = _photos_at_hand(data, train, recipe)

    def counted(what: str, total: int) -> Callable[[int], None]:
        done = 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            advance(what, done, total)

        return count

    features = labelled_features(
        initial, train.photos, recipe, counted("photos to learn from", len(train.photos))
    )
    checks = labelled_features(
        initial,
        held_out.photos,
        dataclasses.replace(recipe, views=1),
        counted("held-out photos", len(held_out.photos)),
    )
    replay = known_features = None
    if others:
        replay = serving_features(initial, others, counted("photos to replay", len(others)))
    if known:
        paths = [photo.path for photo in known]
        known_features = serving_features(initial, paths, counted("known photos", len(paths)))
    network = fine_tune(
        initial,
        train,
        features,
        recipe,
        replay=replay,
        report=lambda step, _: advance("learning", step, recipe.steps),
    )
    _round_as_saved(network)
    unlabelled = checks.spoilt.flatten(0, 1) if known_features is None else known_features
    change = np.abs(_points(network, unlabelled) - _points(initial, unlabelled)).mean()
    report = FeedbackReport(
        kind=labels.kind,
        learned_from=len(train),
        held_out=len(held_out),
        held_out_seen=_seen_pairs(train, held_out),
        agreement=Comparison(
            before=label_agreement(
                held_out, _points(initial, checks.views[:, 0]), grades=recipe.grades
            ),
            after=label_agreement(
                held_out, _points(network, checks.views[:, 0]), grades=recipe.grades
            ),
        ),
        known=None
        if known_features is None
        else Comparison(
            before=_human_agreement(known, _points(initial, known_features)),
            after=_human_agreement(known, _points(network, known_features)),
        ),
        mean_change=float(change),
    )
    _write(network, report, init=init, run_folder=run_folder, recipe=recipe)
    return report


def _round_as_saved(network: QualityNet) -> None:
    """Round parameters as ``save_weights`` does, so that what is measured is what is written."""
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()


def hold_out(labels: Labels, recipe: FeedbackRecipe) -> tuple[Labels, Labels]:
    """Labels to learn from and labels to measure on; each grade is in both where it can be."""
    rng = np.random.default_rng(recipe.seed)
    order = [int(index) for index in rng.permutation(len(labels))]
    if labels.kind != "pairs":
        # Every n-th of the labels sorted by what they say: both parts span the same range.
        order.sort(key=lambda index: labels.targets[index])
    every = max(2, round(1.0 / recipe.held_out))
    held = order[every // 2 :: every]
    kept = sorted(set(order) - set(held))
    return labels.chosen(kept), labels.chosen(sorted(held))


def _photos_at_hand(
    data: Path | None, train: Labels, recipe: FeedbackRecipe
) -> tuple[list[LabelledPhoto], list[Path]]:
    """BIQ2021 validation photos to measure on, and photos to replay; empty without data."""
    if data is None:
        return [], []
    if not data.is_dir():
        raise TrainingError(f"no folder {data}; leave --data out to do without other photos")
    known: list[LabelledPhoto] = []
    if (data / "biq2021" / "mos.csv").is_file():
        split = split_biq2021(data / "biq2021")
        known = list(split.validation)
        others = [photo.path for photo in split.train]
    else:
        others = sorted(data.rglob("*.jpg"))
        if not others:
            raise TrainingError(f"no photos (*.jpg) to replay in {data}; leave --data out")
    labelled = set(train.photos)
    others = [path for path in others if path.resolve() not in labelled]
    rng = np.random.default_rng(recipe.seed)
    chosen = rng.permutation(len(others))[: recipe.replay_photos]
    return known, [others[int(index)] for index in chosen]


@torch.no_grad()
def _points(network: QualityNet, features: Tensor) -> FloatArray:
    """Scores 0-100, as serving gives them."""
    scores = scores_of(network.eval(), features)[0].clamp(0.0, 1.0) * 100.0
    return scores.double().cpu().numpy()


def _human_agreement(photos: list[LabelledPhoto], points: FloatArray) -> dict[str, Estimate]:
    human = np.array([photo.mos * 100.0 for photo in photos])
    return {name: bootstrap(metric, points, human) for name, metric in METRICS.items()}


def _seen_pairs(train: Labels, held_out: Labels) -> int:
    seen = set(train.photos)
    return sum(
        held_out.photos[better] in seen or held_out.photos[worse] in seen
        for better, worse in held_out.pairs
    )


def _refuse_foreign_folder(run_folder: Path, init: Path) -> None:
    if (run_folder / "checkpoint.pt").is_file():
        raise TrainingError(
            f"{run_folder} holds a training from scratch, whose weights would be overwritten;"
            " give another --run folder"
        )
    if (run_folder / WEIGHTS_NAME).resolve() == init.resolve():
        raise TrainingError(
            f"--init {init} is also where the result would be written; give another --run folder"
        )


def _write(
    network: QualityNet,
    report: FeedbackReport,
    *,
    init: Path,
    run_folder: Path,
    recipe: FeedbackRecipe,
) -> None:
    digest = hashlib.sha256(init.read_bytes()).hexdigest()
    save_weights(
        network,
        run_folder / WEIGHTS_NAME,
        metadata={
            "recipe": recipe.name,
            "seed": str(recipe.seed),
            "init_sha256": digest,
            "labels": f"{report.learned_from} {report.kind}",
        },
    )
    written = dataclasses.asdict(report) | {
        "init": {"path": str(init), "sha256": digest},
        "recipe": dataclasses.asdict(recipe),
    }
    write_json(run_folder / REPORT_NAME, written)
