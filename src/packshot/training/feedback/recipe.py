"""The recipe for learning from the user's own labels: short, and held close to what is known."""

from __future__ import annotations

from dataclasses import dataclass, field

from packshot.training.feedback.labels import GradeThresholds
from packshot.training.quality.samples import Augmentation


@dataclass(frozen=True, kw_only=True)
class FeedbackRecipe:
    """Everything that decides the result of fine-tuning on labels.

    Only the layers of the overall score learn (``shared``, ``score_head``,
    ``uncertainty_head``). The backbone, its statistics, the attributes and the quality map stay
    bit for bit what they were, so features are computed once and a fine-tuning takes minutes.

    Attributes:
        steps: Optimizer steps.
        rate: Peak learning rate of AdamW, with a cosine to zero.
        batch: Labels in a step (photos, or pairs), drawn at random.
        anchors: Photos in a step that hold the network to its first answers.
        views: Views of each labelled photo: the one serving sees, and augmented ones.
        spoilt_copies: Copies of each labelled photo with a fault each. On labels that turn an
            opinion of the network round, one copy let it forget much of the rest, three did not.
        label_weight: Of the squared error, ordinal hinge or ranking loss of the labels.
        self_weight: Of the distillation of the initial scores on the labelled photos. It shrinks
            what one label alone can change, as a prior does.
        spoilt_weight: Of the distillation of how far the score falls when a labelled photo gets
            a fault. It holds when labels move the level of all scores.
        replay_weight: Of the distillation of the initial scores on other photos, where given.
        weight_anchor: Of the squared distance from the initial weights (L2-SP, arXiv 1802.01483).
        margin: Distance, 0-1, by which the better photo of a pair must lead, and by which a
            graded photo must lie inside its class.
        grades: Scores at which the classes begin.
        replay_photos: Most photos replayed from ``--data``.
        held_out: Share of the labels that is not learned from but measured on.
        seed: Of the held-out part, augmentation, order and dropout.
        augmentation: Changes that leave quality as it is.
    """

    name: str = "feedback"
    steps: int = 300
    rate: float = 1e-4
    batch: int = 32
    anchors: int = 32
    views: int = 3
    spoilt_copies: int = 3
    label_weight: float = 1.0
    self_weight: float = 0.1
    spoilt_weight: float = 2.0
    replay_weight: float = 1.0
    weight_anchor: float = 1e-3
    margin: float = 0.03
    grades: GradeThresholds = field(default_factory=GradeThresholds)
    replay_photos: int = 256
    held_out: float = 0.2
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.anchors, self.views, self.spoilt_copies) < 1:
            raise ValueError(
                "steps, batch, anchors, views and spoilt_copies must be at least 1, got"
                f" {self.steps}, {self.batch}, {self.anchors}, {self.views}, {self.spoilt_copies}"
            )
        if self.rate <= 0:
            raise ValueError(f"rate must be positive, got {self.rate}")
        if not 0.0 < self.held_out < 1.0:
            raise ValueError(f"held_out must be in (0, 1), got {self.held_out}")


def feedback_default() -> FeedbackRecipe:
    """Minutes on two CPU cores, nearly all of them for reading the photos once."""
    return FeedbackRecipe()
