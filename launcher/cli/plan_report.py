"""What `lmmtc plan` foresees, as JSON, as tables and in sentences."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from trainer.estimate import Advice, Plan, advise, largest_chunk, largest_micro_batch

_GIB = 2**30


def summary(plan: Plan) -> dict[str, Any]:
    """Say everything in plain values: bytes, seconds, hours."""
    return {
        "fits": plan.fits,
        "world_size": plan.work.world_size,
        "micro_batch": plan.work.records,
        "accumulation": plan.work.accumulation,
        "memory": {
            place: {
                "fullest": memory.moment,
                "bytes": memory.total,
                "allowed": plan.allowed(place),
                "parts": memory.parts,
            }
            for place, memory in plan.memories()
        },
        "step_seconds": plan.time.total,
        "computing_seconds": plan.time.computing,
        "communicating_seconds": plan.time.communicating,
        "sent_bytes": {one.name: round(one.sent) for one in plan.traffic},
        "records_per_second": plan.records_per_second,
        "steps_per_epoch": plan.steps_per_epoch,
        "epoch_hours": plan.epoch_hours,
        "epoch_cost": plan.epoch_cost,
        "neighbours": plan.neighbours and asdict(plan.neighbours),
        "largest_micro_batch": largest_micro_batch(plan),
        "largest_chunk": largest_chunk(plan),
        "advice": [] if plan.fits else [_told(advice) for advice in advise(plan)],
    }


def tables(plan: Plan) -> Iterable[Table | Text]:
    yield _memory(plan)
    yield _time(plan)
    yield from (Text(line) for line in conclusion(plan))


def _memory(plan: Plan) -> Table:
    table = Table("", "GiB", title=f"Memory of a rank, of {plan.work.world_size}")
    table.columns[1].justify = "right"
    for place, memory in plan.memories():
        for part, size in sorted(memory.parts.items(), key=lambda entry: -entry[1]):
            table.add_row(f"{place}: {part}", _gib(size))
        table.add_row(Text(f"{place}, fullest at: {memory.moment}", "bold"), _gib(memory.total))
        table.add_row(f"{place}: may be taken", _gib(plan.allowed(place)), end_section=True)
    return table


def _time(plan: Plan) -> Table:
    table = Table("", "computing, ms", "communicating, ms", title="Time of a step")
    for column in table.columns[1:]:
        column.justify = "right"
    for phase, seconds in plan.time.computing.items():
        table.add_row(phase, _milliseconds(seconds), _milliseconds(plan.time.communicating[phase]))
    return table


def conclusion(plan: Plan) -> Iterable[str]:
    """Say in sentences how long it takes, what it costs, what fits, and what would make it fit."""
    work = plan.work
    yield (
        f"A step: {plan.time.total:,.3f} s; micro-batches of {work.records} records, {work.accumulation} on each rank; "
        f"{sum(one.sent for one in plan.traffic) / 1e6:,.1f} MB sent by each rank."
    )
    yield (
        f"An epoch of {work.corpus.records:,} records: {plan.epoch_hours:,.2f} h, {plan.records_per_second:,.0f} "
        f"records a second, price {plan.epoch_cost:,.2f}."
    )
    yield f"Largest train.micro_batch: {largest_micro_batch(plan)}; largest labels.chunk: {largest_chunk(plan)}."
    if index := plan.neighbours:
        yield (
            f"Neighbour index of {index.records:,} records, while the run answers: {_gib(index.rank_bytes)} GiB of "
            f"host memory on each rank, {1000 * index.lookup_seconds:,.3f} ms to look a record up."
        )
    yield from _refusal(plan) if not plan.fits else ["It fits."]


def _refusal(plan: Plan) -> Iterable[str]:
    for lack in plan.lacks:
        yield (
            f"Does not fit: {lack.place} memory: a rank needs {_gib(lack.needed)} GiB ({lack.moment}), and may take "
            f"{_gib(lack.allowed)} GiB."
        )
    advices = advise(plan)
    yield "It would fit with:" if advices else "No change of settings that is known here makes it fit."
    for advice in advices:
        settings = ", ".join(f"{key} = {value!r}" for key, value in advice.settings.items())
        sizes = ", ".join(f"{place} {_gib(memory.total)} GiB" for place, memory in advice.plan.memories())
        yield f"  {settings}: {sizes}, {advice.plan.time.total:,.3f} s a step"


def _told(advice: Advice) -> dict[str, Any]:
    sizes = {place: memory.total for place, memory in advice.plan.memories()}
    return {"settings": advice.settings, "bytes": sizes, "step_seconds": advice.plan.time.total}


def _gib(size: int) -> str:
    return f"{size / _GIB:,.2f}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f}"
