"""One optimizer step: forward, scan, backward, the agreement of all ranks that it is finite, and the updates.

Counts of the step -> per micro-step: text, gather queries, scan unless one is not finite, shortlist, cloze, backward
-> agree that all losses and gradients are finite -> rows, then dense parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite

import torch
from torch import Tensor

from ..config import Config
from ..data import State, TextBatch
from ..engine import Engine
from ..labels import Candidates, RowUpdates, StepPort
from ..model import Clock, Losses, Normaliser, Proposal
from .schedule import schedule


@dataclass(frozen=True)
class StepCounts:
    """Sums over all ranks and micro-steps, known before the first forward.

    Attributes:
        records: Records, padding left out.
        masked_tokens: Tokens that MLM asks.
        tokens: Tokens of the texts, padding left out.
        stops: Ranks that were asked to stop.
    """

    records: int
    masked_tokens: int
    tokens: int
    stops: int


@dataclass(frozen=True)
class StepReport:
    """What one optimizer step did, the same on every rank.

    Attributes:
        step: Number of the step, from 1 on.
        applied: Whether it was finite; if not, it was skipped.
        counts: What it read.
        slots: Label slots that were scored.
        losses: Mean losses by term.
        positives: True labels of its records that the scan could propose.
        found: Those of them that the shortlist had.
        gradient_norm: Norm of the dense gradient before clipping; None where it is unknown, or the step was skipped.
        lr: Learning rate of dense parameters.
        rows_lr: Learning rate of label rows.
    """

    step: int
    applied: bool
    counts: StepCounts
    slots: int
    losses: dict[str, float]
    positives: int
    found: int
    gradient_norm: float | None
    lr: float
    rows_lr: float

    @property
    def shortlist_recall(self) -> float:
        """Share of the true labels that the scan could propose and has found."""
        return self.found / max(self.positives, 1)


class TrainingStep:
    """Runs optimizer steps on this rank; every rank runs the same ones."""

    def __init__(self, config: Config, engine: Engine, labels: Candidates, updates: RowUpdates, clock: Clock) -> None:
        self.config, self.engine, self.labels, self.updates, self.clock = config, engine, labels, updates, clock

    def __call__(self, step: int, micro_batches: Sequence[TextBatch], *, stop: bool = False) -> StepReport:
        """Run one optimizer step on all ranks. A collective.

        Args:
            step: Number of the step, from 1 on.
            micro_batches: This rank's; all ranks have equally many.
            stop: Whether this rank was asked to stop, which the others then learn.
        """
        counts = self._agree_on_counts(micro_batches, stop=stop)
        share = schedule(step, self.config.train.steps, self.config.train.warmup)
        lr, rows_lr = self.config.train.lr * share, self.config.labels.lr * share
        self.engine.set_learning_rate(lr)
        averaged_over = self.labels.ranks.world_size * self.engine.accumulation
        normaliser = Normaliser(max(counts.records, 1), counts.masked_tokens, averaged_over)
        micro_step = _MicroStep(self, normaliser, step, rows_lr)
        micro_step.run_all(micro_batches)
        scan, cloze, mlm, found, positives, slots, *magnitudes = self._sums(micro_step.sums)
        # All ranks agree before anything but the scan has written: a step is applied on all or on none.
        applied = all(map(isfinite, (scan, cloze, mlm, *magnitudes)))
        if applied:
            self._apply(step, rows_lr)
        else:
            self.updates.discard()
            self.engine.discard()
        return StepReport(
            step=step,
            applied=applied,
            counts=counts,
            slots=int(slots),
            losses={"scan": scan, "cloze": cloze, "mlm": mlm, "total": scan + cloze + self.config.mlm.weight * mlm},
            positives=int(positives),
            found=int(found),
            gradient_norm=self.engine.gradient_norm() if applied else None,
            lr=lr,
            rows_lr=rows_lr,
        )

    def _agree_on_counts(self, micro_batches: Sequence[TextBatch], *, stop: bool) -> StepCounts:
        own = torch.stack(
            [
                torch.stack([batch.weights_B.sum(), batch.masked_BT.sum(), batch.mask_BT.sum()])
                for batch in micro_batches
            ]
        ).sum(dim=0)
        stops = torch.tensor([stop], dtype=torch.float64).to(own.device, non_blocking=True)
        counts = self.labels.ranks.sum(torch.cat([own.double(), stops]))
        return StepCounts(*(int(count) for count in counts.tolist()))

    def _sums(self, sums_6: Tensor) -> list[float]:
        """Sum over ranks what micro-steps added up, and two numbers that are finite exactly when all gradients are."""
        magnitudes = (self.engine.gradient_magnitude(), self.updates.magnitude())
        own = torch.cat([sums_6, *(each.double().view(1).to(sums_6.device, non_blocking=True) for each in magnitudes)])
        return self.labels.ranks.sum(own).tolist()

    def _apply(self, step: int, rows_lr: float) -> None:
        with self.clock("optimizer"):
            self.updates.apply(rows_lr, step)
            self.engine.end_micro_step()


class _MicroStep:
    """The micro-steps of one optimizer step, and what they add up: scan, cloze, mlm, found, positives, slots."""

    def __init__(self, training: TrainingStep, normaliser: Normaliser, step: int, rows_lr: float) -> None:
        self.training, self.normaliser, self.step, self.rows_lr = training, normaliser, step, rows_lr
        self.sums = torch.zeros(6, dtype=torch.float64, device=training.engine.device)

    def run_all(self, micro_batches: Sequence[TextBatch]) -> None:
        """Run up to the last backward."""
        for index, batch in enumerate(micro_batches):
            if index:
                self.training.engine.end_micro_step()
            self._run(batch)

    def _run(self, batch: TextBatch) -> None:
        labels, clock = self.training.labels, self.training.clock
        if self.training.config.cloze.denied:
            with clock("scan"):
                batch = self._denying(batch)
        sink = self.training.updates.sink(self.rows_lr, self.step)
        learn = partial(labels.learn, normaliser=self.normaliser, sink=sink, step=self.step)
        port = StepPort(labels, learn, batch)
        losses, proposal = self.training.engine.forward(batch, port, self.normaliser, clock)
        with clock("backward"):
            self.training.engine.backward(losses.total)
            for fetched in port.lookups:
                self.training.updates.hold(*fetched.return_gradients(labels.ranks))
        self._add(losses, proposal)

    def _denying(self, batch: TextBatch) -> TextBatch:
        """Reveal as NO, to the records that are to deny, the first false label that the scan ranks for their text."""
        chosen_N = batch.denied_B.nonzero().squeeze(1)
        asked_N = chosen_N if len(chosen_N) else chosen_N.new_zeros(1)  # all ranks run the same passes
        texts = batch.of_texts(asked_N)
        with torch.no_grad():
            proposal, _ = self.training.labels.rank_labels(texts, self.training.engine.query(texts))
        ids_NK, shown_NV = proposal.masked.ids_BC, batch.revealed_BV[asked_N]
        is_shown_NK = (ids_NK[:, :, None] == shown_NV[:, None, :]).any(dim=2)
        is_false_NK = (ids_NK >= 0) & ~proposal.targets_BK.bool() & ~is_shown_NK
        first_N1 = is_false_NK.int().argmax(dim=1, keepdim=True)
        found_N1 = torch.where(is_false_NK.any(dim=1, keepdim=True), ids_NK.gather(1, first_N1), -1)
        ids_B1 = torch.full_like(batch.denied_B, -1, dtype=torch.long)[:, None]
        ids_B1[chosen_N] = found_N1[: len(chosen_N)]
        return batch.revealing_too(ids_B1, State.NO)

    def _add(self, losses: Losses, proposal: Proposal) -> None:
        slots = proposal.masked.mask_BC.sum() * self.training.labels.has_slots
        counts = (proposal.recalled, proposal.findable, slots)
        self.sums += torch.stack([term.double() for term in (losses.scan, losses.cloze, losses.mlm, *counts)])
