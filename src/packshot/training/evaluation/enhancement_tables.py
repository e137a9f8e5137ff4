"""The tables of ``packshot-eval restore`` and ``packshot-eval upscale``."""

from __future__ import annotations

from rich.table import Table

from packshot.training.evaluation.cost import Cost
from packshot.training.evaluation.restoration import RestoreEvaluation
from packshot.training.evaluation.upscaling import UpscaleEvaluation

_MEASURES = (("psnr", "PSNR, dB"), ("ssim", "SSIM"), ("delta_e", "mean ΔE2000"))
_COLUMNS = ("spoilt", "best tool", "restored", "gain", "gain over best tool")


def restore_tables(evaluation: RestoreEvaluation) -> list[Table]:
    """Means over all spoilt photos, gains by kind of fault, clean photos, cost."""
    count = len(evaluation.photos)
    means = Table(title=f"{count} held-out seller photos with two or more faults, 95 % intervals")
    columns = [c for c in _COLUMNS if f"psnr {c}" in evaluation.summary]
    means.add_column("measure")
    for column in columns:
        means.add_column(column)
    for key, heading in _MEASURES:
        means.add_row(heading, *(str(evaluation.summary[f"{key} {c}"]) for c in columns))
    means.caption = f"PSNR rises on {evaluation.improved:.0%} of them"

    groups = Table(title="By kind of fault (photos have others beside it)")
    headings = ("fault", "photos", "PSNR before", "PSNR gain", "SSIM gain", "ΔE2000 before",
                "ΔE2000 after")  # fmt: skip
    for heading in headings:
        groups.add_column(heading)
    for group in evaluation.groups:
        groups.add_row(
            group.group,
            str(group.photos),
            f"{group.psnr_before:.1f}",
            str(group.psnr_gain),
            str(group.ssim_gain),
            f"{group.delta_e_before:.2f}",
            str(group.delta_e_after),
        )

    clean = Table(title="The same photos without faults: output against input")
    for heading in ("PSNR, dB", "mean ΔE2000"):
        clean.add_column(heading)
    clean.add_row(str(evaluation.clean), str(evaluation.clean_delta_e))
    return [means, groups, clean, _cost_table({"restore": evaluation.cost}, "1000×1000")]


def upscale_tables(evaluation: UpscaleEvaluation) -> list[Table]:
    """A table a scale and kind of small pictures, and the costs."""
    tables = []
    kinds = dict.fromkeys((result.scale, result.small) for result in evaluation.results)
    for scale, small in kinds:
        table = Table(title=f"×{scale}, small pictures: {small}; luma, border of {scale} px cut")
        for heading in ("pictures", "count", "method", "PSNR, dB", "SSIM", "over bicubic, dB"):
            table.add_column(heading)
        for result in evaluation.results:
            if (result.scale, result.small) == (scale, small):
                table.add_row(
                    result.pictures,
                    str(result.count),
                    result.method,
                    str(result.psnr),
                    str(result.ssim),
                    str(result.gain),
                )
        tables.append(table)
    return [*tables, _cost_table(evaluation.costs, "400×400")]


def _cost_table(costs: dict[str, Cost], size: str) -> Table:
    table = Table(title=f"Cost of a {size} picture, PyTorch, one CPU thread")
    for heading in ("network", "parameters", "GMACs", "ms"):
        table.add_column(heading, justify="right")
    for name, cost in costs.items():
        table.add_row(
            name, f"{cost.parameters:,}", f"{cost.macs / 1e9:.1f}", f"{cost.milliseconds:.0f}"
        )
    return table
