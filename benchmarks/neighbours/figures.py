"""The figures of the benchmark of neighbours, as a table and as JSON, in percent."""

from collections.abc import Mapping

from ..quality.tables import known_row, markdown
from .product import ALONE, BOTH, IndexCost

METRICS = ("P@1", "P@3", "P@5", "PSP@1", "PSP@3", "PSP@5", "nDCG@5", "R@5", "recall@K")

Percents = Mapping[str, float]


def table(rows: Mapping[str, Percents]) -> str:
    """Lay rankings out as Markdown."""
    return markdown(["", *METRICS], [known_row([name], percents, METRICS) for name, percents in rows.items()])


def summary(ours: Mapping[str, Percents], bonsai: Percents, xr_linear: Percents, cost: IndexCost) -> dict[str, float]:
    """Choose the figures that the project promises something about.

    Args:
        ours: By ranking; ALONE is the scan, BOTH is fused with both kinds of neighbours.
        bonsai: What Bonsai reaches on the same records.
        xr_linear: What XR-Linear reaches there.
        cost: Of the index.
    """
    alone, memory = ours[ALONE], ours[BOTH]
    figures = {f"alone_P@{k}": alone[f"P@{k}"] for k in (1, 3, 5)}
    figures |= {f"memory_P@{k}": memory[f"P@{k}"] for k in (1, 3, 5)}
    figures |= {f"gain_P@{k}": memory[f"P@{k}"] - alone[f"P@{k}"] for k in (1, 5)}
    figures |= {"alone_PSP@5": alone["PSP@5"], "memory_PSP@5": memory["PSP@5"]}
    figures |= {"vs_bonsai_P@1": memory["P@1"] - bonsai["P@1"], "vs_xr_linear_P@1": memory["P@1"] - xr_linear["P@1"]}
    figures |= {"lookup_ms_per_record": cost.lookup_ms, "memory_bytes_per_record": cost.memory_bytes}
    return {name: round(value, 2) for name, value in figures.items()}
