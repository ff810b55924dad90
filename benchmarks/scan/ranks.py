"""The label side on two ranks, each with half of the rows, against one rank with all of them, in turn.

Both gather queries, scan, merge shortlists and fetch the rows of what was found. `torchrun` starts this module.
"""

import os
import subprocess
import sys

import torch

from trainer.data import TextBatch
from trainer.distributed import ONE_RANK, Ranks, join, leave
from trainer.labels import LabelRetriever, RowRange, RowUpdates, row_optimizer
from trainer.model import Normaliser, Proposal

from .clock import seconds
from .contenders import CHUNK, table_of
from .task import BEST, LR, Task, make_task


def speedup(labels: int, rounds: int) -> float:
    """Start two ranks; return how many times faster they are than one of them alone, and print the same in CPU time.

    Where others use the cores too, the second is nearer to what two free cores would do.
    """
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*start, "-m", "benchmarks.scan.ranks", str(labels), str(rounds)]
    said = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    alone, alone_cpu, together, together_cpu = map(float, said.stdout.split())
    print(f"{labels:,} labels, one rank: {alone:.3f} s a step, {alone_cpu:.3f} s of CPU", flush=True)
    print(
        f"{labels:,} labels, two ranks: {together:.3f} s a step, {together_cpu:.3f} s of CPU of the busier", flush=True
    )
    return alone / together


class Learner:
    """A share of the rows and of the records."""

    def __init__(self, task: Task, ranks: Ranks) -> None:
        labels = len(task.prior_L)
        own = table_of(task, RowRange.of_rank(labels, ranks.rank, ranks.world_size))
        records = RowRange.of_rank(len(task.queries_QE), ranks.rank, ranks.world_size)
        self.side = LabelRetriever(own, labels, min(BEST, labels), CHUNK, ranks)
        self.updates = RowUpdates(row_optimizer("sgd", own, weight_decay=0.0), fused=True)
        self.batch, self.queries_BE = batch_of(task, records), task.queries_QE[records.as_slice()]
        self.by = Normaliser(len(task.queries_QE), 1, 1)

    def step(self) -> Proposal:
        """Learn once; a collective."""
        proposal, _ = self.side.learn(self.batch, self.queries_BE, self.by, self.updates.sink(LR, 1), 1)
        return proposal


def batch_of(task: Task, records: RowRange) -> TextBatch:
    """Make records without text and without context."""
    own_N = (task.query_N >= records.start) & (task.query_N < records.stop)
    counts_B = torch.bincount(task.query_N[own_N] - records.start, minlength=len(records))
    nothing = torch.empty(len(records), 0, dtype=torch.long)
    return TextBatch(
        ids_BT=nothing,
        originals_BT=nothing,
        masked_BT=nothing.bool(),
        mask_BT=nothing.bool(),
        weights_B=torch.ones(len(records)),
        labels=task.label_N[own_N],
        label_offsets=torch.cat([counts_B.new_zeros(1), counts_B.cumsum(0)]),
        revealed_BV=nothing,
        revealed_states_BV=nothing,
        excluded_BN=nothing,
    )


def main(labels: int, rounds: int) -> None:
    """Take turns; print the median seconds, by the clock and of CPU, of one rank and of the slower of two."""
    torch.set_num_threads(1)
    ranks, task = join(int(os.environ["LOCAL_RANK"])), make_task(labels)
    half, whole = Learner(task, ranks), Learner(task, ONE_RANK) if ranks.is_first else None
    alone, together = [], []
    for _ in range(1 + rounds):
        ranks.barrier()
        alone.append(torch.tensor(seconds(whole.step) if whole else (0.0, 0.0)))
        ranks.barrier()
        together.append(ranks.gather(torch.tensor([seconds(half.step)])).amax(dim=0))
    if ranks.is_first:
        middles = [torch.stack(turns[1:]).median(dim=0).values for turns in (alone, together)]  # the first warms up
        print(*torch.cat(middles).tolist())
    leave()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
