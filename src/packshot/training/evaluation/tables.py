"""The tables of ``packshot-eval``."""

from __future__ import annotations

from rich.table import Table

from packshot.contracts import LEARNED_ATTRIBUTES
from packshot.training.evaluation.calibration import EXPECTED_WITHIN, Calibration
from packshot.training.evaluation.cost import Cost
from packshot.training.evaluation.false_alarms import ALARM_BELOW, FalseAlarms
from packshot.training.evaluation.fault_responses import MEDIUM_SEVERITY, FaultResponse
from packshot.training.evaluation.method_comparison import MethodAgreement
from packshot.training.evaluation.quality import Agreement, QualityEvaluation
from packshot.training.evaluation.thresholds import Decisions, Goal, Thresholds
from packshot.training.evaluation.variants import VariantResult


def evaluation_tables(evaluation: QualityEvaluation) -> list[Table]:
    """Every table for which something was measured."""
    tables = [agreement_table(evaluation.agreement), comparison_table(evaluation.comparison)]
    if evaluation.calibration is not None:
        tables.append(calibration_table(evaluation.calibration))
    if evaluation.faults:
        tables.append(response_table(evaluation.faults, evaluation.clean_photos))
        tables.append(confusion_table(evaluation.faults, evaluation.own_lowest))
    if evaluation.false_alarms:
        tables.append(false_alarm_table(evaluation.false_alarms))
    tables.append(cost_table(evaluation.cost))
    return tables


def agreement_table(agreements: list[Agreement]) -> Table:
    """Agreement with people by subset."""
    table = Table(title="Agreement with people, 95 % bootstrap intervals")
    table.add_column("subset")
    table.add_column("labels", justify="right")
    for metric in agreements[0].metrics:
        table.add_column(metric, no_wrap=True)
    for agreement in agreements:
        values = [str(estimate) for estimate in agreement.metrics.values()]
        table.add_row(agreement.subset, str(agreement.labels), *values)
    return table


def comparison_table(methods: list[MethodAgreement]) -> Table:
    """The network beside other methods."""
    table = Table(
        title="The same photos through other methods",
        caption="RMSE of the baselines: after a straight line fitted to these very photos"
        if "RMSE" in methods[0].metrics
        else None,
    )
    table.add_column("method")
    table.add_column("photos", justify="right")
    for metric in methods[0].metrics:
        table.add_column(metric, no_wrap=True)
    for method in methods:
        values = [str(estimate) for estimate in method.metrics.values()]
        table.add_row(method.method, str(method.photos), *values)
    return table


def calibration_table(found: Calibration) -> Table:
    """Predicted uncertainty against errors."""
    table = Table(
        title="Uncertainty of the score, from the most to the least certain fifth",
        caption=f"calibrated: predicted = observed, about {EXPECTED_WITHIN:.0%} within;"
        f" SRCC of uncertainty and error {found.ranking}",
    )
    for heading in ("photos", "predicted error", "observed error", "within predicted"):
        table.add_column(heading, justify="right")
    for part in found.bins:
        table.add_row(
            str(part.photos), f"{part.predicted:.1f}", f"{part.observed:.1f}", f"{part.within:.0%}"
        )
    table.add_section()
    total = str(sum(part.photos for part in found.bins))
    table.add_row(total, f"{found.predicted:.1f}", f"{found.observed:.1f}", f"{found.within:.0%}")
    return table


def response_table(responses: list[FaultResponse], photos: int) -> Table:
    """How steadily attributes and score fall as a fault grows."""
    table = Table(title=f"Faults applied to {photos} clean photos: Spearman with severity")
    for heading in ("fault", "attribute", "its Spearman", "score's Spearman", "own lowest"):
        table.add_column(heading)
    for response in responses:
        table.add_row(
            response.fault,
            response.attribute,
            f"{response.monotony:.2f}",
            f"{response.score_monotony:.2f}",
            f"{response.own_lowest:.0%}",
        )
    return table


def confusion_table(responses: list[FaultResponse], own_lowest: float) -> Table:
    """Mean attributes under each fault; the fault's own in bold."""
    table = Table(
        title=f"Fault × attribute: mean at severity {MEDIUM_SEVERITY}",
        caption=f"own attribute the lowest in {own_lowest:.0%} of all cases",
    )
    table.add_column("fault")
    for name in LEARNED_ATTRIBUTES:
        table.add_column(name, justify="right")
    for response in responses:
        table.add_row(
            response.fault,
            *(
                f"[b]{value:.2f}[/b]" if name == response.attribute else f"{value:.2f}"
                for name, value in zip(LEARNED_ATTRIBUTES, response.mean_attributes, strict=True)
            ),
        )
    return table


def false_alarm_table(groups: list[FalseAlarms]) -> Table:
    """Alarms on clean studio photos."""
    table = Table(
        title=f"Clean studio photos held back from training: share with an attribute"
        f" below {ALARM_BELOW}"
    )
    for heading in ("photos of", "photos", "mean score", "any", *LEARNED_ATTRIBUTES):
        table.add_column(heading)
    for group in groups:
        table.add_row(
            group.group,
            str(group.photos),
            f"{group.mean_score:.1f}",
            f"{group.any_attribute:.0%}",
            *(f"{group.by_attribute[name]:.0%}" for name in LEARNED_ATTRIBUTES),
        )
    return table


def cost_table(cost: Cost) -> Table:
    """Parameters, multiply-accumulates and time."""
    table = Table(title="Cost of a photo, both views", caption=f"PyTorch {cost.torch_version}")
    for heading in ("parameters", "MACs", "ms at one thread"):
        table.add_column(heading, justify="right")
    table.add_row(
        f"{cost.parameters / 1e6:.2f} M", f"{cost.macs / 1e9:.2f} G", f"{cost.milliseconds:.1f}"
    )
    return table


def variant_table(results: list[VariantResult]) -> Table:
    """Variants by frozen features."""
    table = Table(
        title="Variants: ridge regression on frozen ImageNet features",
        caption="compare the rows with each other; fine-tuning lifts them all",
    )
    table.add_column("variant", no_wrap=True)
    table.add_column("backbone parameters", justify="right")
    table.add_column("MACs", justify="right")
    for metric in results[0].metrics:
        table.add_column(metric, no_wrap=True)
    for result in results:
        table.add_row(
            result.name,
            f"{result.backbone_parameters / 1e6:.2f} M",
            f"{result.macs / 1e9:.2f} G",
            *(str(estimate) for estimate in result.metrics.values()),
        )
    return table


def decision_table(rows: list[tuple[str, Thresholds, Decisions]], goal: Goal) -> Table:
    """What thresholds of the score do to photos people scored."""
    table = Table(
        title=f"Decisions by the score alone; good: people gave {goal.good_from:g} or more"
    )
    for heading in ("photos", "accept from", "reject under"):
        table.add_column(heading, no_wrap=True)
    for heading in ("accepted", "of them good", "to a person", "rejected", "of them not good"):
        table.add_column(heading, justify="right")
    for name, thresholds, decisions in rows:
        table.add_row(
            f"{name} ({decisions.photos})",
            f"{thresholds.accept:g}",
            f"{thresholds.reject:g}",
            f"{decisions.accepted:.0%}",
            f"{decisions.accepted_good:.1%}",
            f"{1.0 - decisions.accepted - decisions.rejected:.0%}",
            f"{decisions.rejected:.0%}",
            f"{decisions.rejected_bad:.1%}",
        )
    return table
