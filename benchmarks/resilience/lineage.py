"""Which records the final parameters of a run have learnt from, by its record log: each step's last start counts."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Read:
    """What all ranks together have read in one step."""

    epoch: int
    ids: tuple[str, ...]


Lineage = Mapping[int, Read]  # by step


def lineage(records: Path) -> Lineage:
    """Read the record log of a run; what a kill has torn, the last line of a file, was never done."""
    return latest(_of_start(start) for start in sorted(records.glob("start-*")))


def latest(starts: Iterable[Lineage]) -> Lineage:
    """Let what is done again replace what was done and lost; starts come in the order in which they were made."""
    return {step: read for start in starts for step, read in start.items()}


def lost_and_twice(found: Lineage, wanted: Lineage) -> tuple[int, int]:
    """Count what was to be read in an epoch and was not, and what was read in it once too often."""
    missing, extra = 0, 0
    for epoch in {read.epoch for read in (*found.values(), *wanted.values())}:
        ours, theirs = _counted(found, epoch), _counted(wanted, epoch)
        missing += (theirs - ours).total()
        extra += (ours - theirs).total()
    return missing, extra


def _counted(steps: Lineage, epoch: int) -> Counter[str]:
    return Counter(name for read in steps.values() if read.epoch == epoch for name in read.ids)


def _of_start(folder: Path) -> Lineage:
    steps: dict[int, Read] = {}
    for path in sorted(folder.glob("rank-*.jsonl")):
        whole, _, _torn = path.read_text(encoding="utf-8").rpartition("\n")
        for line in map(json.loads, whole.splitlines()):
            before = steps.get(line["step"], Read(line["epoch"], ()))
            steps[line["step"]] = Read(line["epoch"], (*before.ids, *line["ids"]))
    return steps
