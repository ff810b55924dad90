"""Writes docs/scale.md and docs/scale.png from plans, made as `lmmtc plan` makes them: `python docs/scale.py`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from launcher.cli.plan_report import conclusion
from trainer.config import load_config
from trainer.estimate import Corpus, EncoderShape, Plan, changed, load_cluster

DOCS = Path(__file__).parent
ROOT = DOCS.parent
CORPORA = {
    "3m": Corpus(labels=3_000_000, records=10_000_000, positives=20, tokens=128),
    "100m": Corpus(labels=100_000_000, records=1_000_000_000, positives=10, tokens=128),
}
# GPUs: records of a step, and of a rank at a time.
BATCHES = {8: (2048, 256), 64: (8192, 128), 1024: (32_768, 32)}
TOO_MUCH = {"labels.optimizer": "adam", "labels.precision": "fp32", "model.label_width": 768}
PHASES = ("text", "scan", "cloze", "backward", "optimizer")
_GIB = 2**30


@dataclass(frozen=True)
class Case:
    """A plan on paper, and its name."""

    name: str
    gpus: int
    plan: Plan

    @classmethod
    def of(cls, name: str, gpus: int) -> "Case":
        """Plan examples/plans/NAME.toml on so many H100s."""
        batch, micro_batch = BATCHES[gpus]
        config = load_config(
            ROOT / "examples" / "plans" / f"{name}.toml",
            [
                f"train.global_batch={batch}",
                f"train.micro_batch={micro_batch}",
                f"model.encoder={ROOT / 'examples' / 'plans' / 'bert-base'}",
            ],
        )
        cluster = load_cluster(ROOT / "examples" / "clusters" / f"h100-{gpus}.toml")
        return cls(name, gpus, Plan.of(config, EncoderShape.of(config.model), CORPORA[name], cluster))


def cases() -> list[Case]:
    """Plan everything."""
    return [Case.of(name, gpus) for name in CORPORA for gpus in BATCHES]


def scale() -> str:
    """Write the page."""
    planned = cases()
    template = (DOCS / "scale.md.in").read_text(encoding="utf-8")
    large = next(case.plan for case in planned if (case.name, case.gpus) == ("100m", 8))
    tables = {
        "@MEMORY@": "\n".join(_memory(planned)),
        "@TIME@": "\n".join(_time(planned)),
        "@REFUSAL@": "\n".join(conclusion(changed(large, TOO_MUCH))),
        "@SLOTS@": _slots(planned[0].plan),
    }
    for mark, table in tables.items():
        template = template.replace(mark, table)
    return template


def draw(path: Path) -> None:
    """Draw memory of a GPU by part and time of a step by phase, a bar for each plan."""
    import matplotlib as mpl  # noqa: PLC0415  # the page alone does not need it

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    planned = cases()
    labels = [f"{case.plan.work.corpus.labels // 10**6}M labels,\n{case.gpus:,} GPUs" for case in planned]
    sizes = [{part: size / _GIB for part, size in case.plan.memory.device.parts.items()} for case in planned]
    times = [_phases(case.plan) for case in planned]
    figure, axes = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    for axis, bars, title in zip(axes, (sizes, times), ("GiB of a GPU", "seconds of a step"), strict=True):
        bottom = [0.0] * len(bars)
        for part in dict.fromkeys(name for bar in bars for name in bar):
            heights = [bar.get(part, 0.0) for bar in bars]
            axis.bar(labels, heights, bottom=bottom, label=part, width=0.7)
            bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
        axis.set_title(title)
        axis.tick_params(axis="x", labelsize=7)
        axis.legend(fontsize=7)
    figure.savefig(path, dpi=110)


def _slots(plan: Plan) -> str:
    """Say what slots would add to a plan."""
    added = changed(plan, {"cloze.slots": "shortlist"})
    memory = (added.memory.device.total - plan.memory.device.total) / _GIB
    return f"{memory:.1f} GiB and {1000 * (added.time.total - plan.time.total):.0f} ms a step more in the first row"


def _phases(plan: Plan) -> dict[str, float]:
    return {phase: plan.time.computing[phase] for phase in PHASES} | {
        "communication": sum(plan.time.communicating.values())
    }


def _memory(planned: list[Case]) -> Iterator[str]:
    groups = {
        "process": ("process",),
        "dense part": ("parameters", "optimizer state"),
        "label rows, their state": ("label rows", "row optimizer state", "row gradients"),
        "activations, slots": ("activations", "slots"),
        "gradients, buckets": ("gradients", "accumulated gradients", "gradient shares", "bucket"),
    }
    head = ("labels", "GPUs", "records a step", "a rank at a time", *groups, "all else", "**GPU**", "host")
    yield f"| {' | '.join(head)} |"
    yield "| --- " * len(head) + "|"
    for case in planned:
        parts = {part: size / _GIB for part, size in case.plan.memory.device.parts.items()}
        shown = [sum(parts.pop(name, 0.0) for name in names) for names in groups.values()]
        cells = [*shown, sum(parts.values())]
        work = case.plan.work
        batch = work.config.train.global_batch
        yield (
            f"| {work.corpus.labels:,} | {case.gpus:,} | {batch:,} | {work.records:,} | "
            f"{' | '.join(f'{cell:.2f}' for cell in cells)} | **{case.plan.memory.device.total / _GIB:.1f}** | "
            f"{case.plan.memory.host.total / _GIB:.1f} |"
        )


def _time(planned: list[Case]) -> Iterator[str]:
    phases = (*(f"{phase}, ms" for phase in PHASES), "communication, ms")
    head = ("labels", "GPUs", *phases, "**a step, s**", "records/s", "epoch, h", "epoch, $")
    yield f"| {' | '.join(head)} |"
    yield "| --- " * len(head) + "|"
    for case in planned:
        plan = case.plan
        shown = " | ".join(f"{1000 * seconds:,.1f}" for seconds in _phases(plan).values())
        yield (
            f"| {plan.work.corpus.labels:,} | {case.gpus:,} | {shown} | **{plan.time.total:.3f}** | "
            f"{plan.records_per_second:,.0f} | {plan.epoch_hours:,.2f} | {plan.epoch_cost:,.0f} |"
        )


if __name__ == "__main__":
    (DOCS / "scale.md").write_text(scale(), encoding="utf-8")
    draw(DOCS / "scale.png")
