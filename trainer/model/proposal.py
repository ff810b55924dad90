"""The interface between the model and the label side in a micro-step: candidates, and the losses over them."""

from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor

from ..data import TextBatch
from ..losses import slot_loss
from .slots import Slots


@dataclass(frozen=True)
class Proposal:
    """The candidates of a batch, and what the scan computed on the way.

    Attributes:
        masked: The candidates, as masked slots.
        scores_BK: Their scan logits, zero where nothing was scanned.
        targets_BK: bool, which are true.
        revealed: Known labels shown as context.
        recalled: How many true labels the scan found.
        findable: How many it could find: those that are neither shown nor excluded.
        loss: Loss of the scan.
        query_gradient_BE: Its gradient, already divided by the normaliser.
        weights_BK: Weights of the candidates in the cloze's loss; None: 1.
    """

    masked: Slots
    scores_BK: Tensor
    targets_BK: Tensor
    revealed: Slots
    recalled: Tensor
    findable: Tensor
    loss: Tensor
    query_gradient_BE: Tensor
    weights_BK: Tensor | None = None

    def first(self, k: int) -> "Proposal":
        """Keep the first k candidates; loss and gradient stay."""
        if self.scores_BK.shape[1] <= k:
            return self
        return replace(
            self,
            masked=self.masked.first(k),
            scores_BK=self.scores_BK[:, :k],
            targets_BK=self.targets_BK[:, :k],
            weights_BK=None if self.weights_BK is None else self.weights_BK[:, :k],
        )


class LabelPort(Protocol):
    """The interface of the label side that a model calls in a micro-step."""

    def look_up(self, batch: TextBatch) -> Slots:
        """Fetch the rows of the labels that a batch reveals. A collective."""
        ...

    def propose(self, query_BE: Tensor) -> Proposal:
        """Scan all labels for these queries, which are [B, 0] in a model without a scan. A collective."""
        ...


@dataclass(frozen=True)
class Question:
    """Slots with all that their loss takes.

    Attributes:
        slots: The slots [B, C].
        scores_BC: The scan's part of the score.
        targets_BC: bool, which are true.
        weights_BC: Weights of the slots; 0: left out.
    """

    slots: Slots
    scores_BC: Tensor
    targets_BC: Tensor
    weights_BC: Tensor

    @classmethod
    def of(cls, proposal: Proposal, weights_B: Tensor) -> "Question":
        """Ask about all masked slots of a proposal; weights_B is 0 for padding records."""
        masked = proposal.masked
        scores_BK = proposal.scores_BK.masked_fill(~masked.mask_BC, 0)
        weights_BK = masked.mask_BC * weights_B[:, None]
        if proposal.weights_BK is not None:
            weights_BK = weights_BK * proposal.weights_BK
        return cls(masked, scores_BK, proposal.targets_BK, weights_BK)

    def loss(self, cloze_BC: Tensor) -> Tensor:
        """Sum the loss of the score that prediction will use: scan logit, held fixed, + cloze logit."""
        return slot_loss(self.scores_BC + cloze_BC, self.targets_BC, self.weights_BC)

    def chunks(self, size: int) -> "list[Question]":
        """Cut along the slots; the last chunk may be shorter."""
        parts = (tensor.split(size, dim=1) for tensor in (self.scores_BC, self.targets_BC, self.weights_BC))
        return [Question(*part) for part in zip(self.slots.chunks(size), *parts, strict=True)]


@dataclass(frozen=True)
class Normaliser:
    """What sums over a micro-step are divided by.

    Attributes:
        records: Records of the optimizer step, over all ranks and micro-steps.
        masked_tokens: Likewise.
        averaged_over: W * accumulation, by which DeepSpeed divides gradients.
    """

    records: float
    masked_tokens: float
    averaged_over: int


@dataclass(frozen=True)
class Losses:
    """The terms of one micro-step: shares of the step's mean loss, but for `total`.

    Attributes:
        total: For backward alone.
        scan: Binary cross-entropy over all labels.
        cloze: Binary cross-entropy over slots.
        mlm: Cross-entropy over masked tokens.
    """

    total: Tensor
    scan: Tensor
    cloze: Tensor
    mlm: Tensor

    @classmethod
    def of(
        cls, query_BE: Tensor, proposal: Proposal, cloze: Tensor, mlm: Tensor, mlm_weight: float, by: Normaliser
    ) -> "Losses":
        """Join the sums over slots and masked tokens; the scan's gradient enters through the query."""
        cloze, mlm = cloze / by.records, mlm / max(by.masked_tokens, 1)
        scan_term = (query_BE * proposal.query_gradient_BE).sum()
        total = (scan_term + cloze + mlm_weight * mlm) * by.averaged_over
        return cls(total, proposal.loss, cloze.detach(), mlm.detach())
