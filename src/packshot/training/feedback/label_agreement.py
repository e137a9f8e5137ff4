"""Agreement of predicted scores with labels of each kind."""

from __future__ import annotations

import numpy as np

from packshot.training.feedback.labels import GRADES, GradeThresholds, Labels
from packshot.training.metrics import METRICS, Estimate, FloatArray, bootstrap

RANK_METRICS = ("SRCC", "KRCC")
ORDERED = "pairs ordered as people did"
GRADED = "graded as people did"


def label_agreement(
    labels: Labels,
    scores: FloatArray,
    *,
    grades: GradeThresholds | None = None,
    resamples: int = 1000,
) -> dict[str, Estimate]:
    """How well scores agree with labels, with 95 % bootstrap intervals.

    Args:
        labels: What people said.
        scores: [photos] of ``labels.photos``, higher is better, 0-100 if ``grades`` is given or
            RMSE is to mean score points.
        grades: Scores at which classes begin: adds the share of photos graded as people did.
        resamples: Bootstrap draws.

    Returns:
        Of scores: SRCC, PLCC, KRCC, RMSE. Of grades: SRCC, KRCC (tau-b, made for ties) and the
        share graded alike. Of pairs: the share in the same order; a tie counts half.
    """
    if labels.kind == "pairs":
        better, worse = np.array(labels.pairs).T
        lead = scores[better] - scores[worse]
        return {ORDERED: bootstrap(_ordered, lead, np.ones(len(lead)), resamples=resamples)}
    targets = np.array(labels.targets)
    if labels.kind == "scores":
        return {
            name: bootstrap(metric, scores, targets * 100.0, resamples=resamples)
            for name, metric in METRICS.items()
        }
    found = {
        name: bootstrap(METRICS[name], scores, targets, resamples=resamples)
        for name in RANK_METRICS
    }
    if grades is not None:
        graded = np.digitize(scores, [grades.medium_from, grades.high_from]).astype(np.float64)
        found[GRADED] = bootstrap(_equal, graded, targets, resamples=resamples)
    return found


def grade_counts(labels: Labels) -> dict[str, int]:
    """How many photos carry each grade."""
    return {grade: labels.targets.count(index) for index, grade in enumerate(GRADES)}


def _ordered(lead: FloatArray, _: FloatArray) -> float:
    return float(np.mean((lead > 0) + 0.5 * (lead == 0)))


def _equal(first: FloatArray, second: FloatArray) -> float:
    return float(np.mean(first == second))
