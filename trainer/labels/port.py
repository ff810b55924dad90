"""The label side of one micro-step as the model calls it, which records the lookups whose gradients must return."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from ..data import TextBatch
from ..model.proposal import Proposal
from ..model.slots import Slots
from .candidates import Candidates
from .lookup import RowLookup


@dataclass
class StepPort:
    """A model's `LabelPort` for one micro-step: it keeps all lookups, because gradients of rows must return.

    Attributes:
        labels: The label side.
        learn: Proposes labels for queries, and learns from the scan.
        batch: Batch of the micro-step.
        lookups: Those that were made.
    """

    labels: Candidates
    learn: Callable[[TextBatch, Tensor], tuple[Proposal, RowLookup]]
    batch: TextBatch
    lookups: list[RowLookup] = field(default_factory=list)

    def look_up(self, batch: TextBatch) -> Slots:
        """Fetch the rows of the labels that a batch reveals. A collective."""
        fetched = self.labels.look_up(batch.revealed_BV)
        self.lookups.append(fetched)
        return Slots(batch.revealed_BV, fetched.rows, batch.revealed_states_BV)

    def propose(self, query_BE: Tensor) -> Proposal:
        """Scan all labels for these queries. A collective."""
        proposal, fetched = self.learn(self.batch, query_BE)
        self.lookups.append(fetched)
        return proposal
