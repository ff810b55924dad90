"""The ranker: ranks the labels of records with a model, by the scan, by refinement, and with label slots."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharding import LabelFilter, RecordBatch

from ..data import State, TextBatch
from ..errors import ConfigError
from ..labels import Candidates
from ..labels.table import SCAN_BIAS
from ..model import Model, Proposal, Slots
from .refinement import mask_predict, reread

NO_CONTEXT = "cloze.enabled = false: without context and slots"


@dataclass(frozen=True)
class Ranked:
    """Candidates of B records under one ranking, best first.

    Attributes:
        ids_BK: Label ids; -1: none.
        scores_BK: Logits.
    """

    ids_BK: np.ndarray
    scores_BK: np.ndarray


@dataclass(frozen=True)
class Ranker:
    """Answers with the rankings that a model has: by the scan, refined, and with slots added.

    Attributes:
        model: The dense part.
        labels: What proposes candidates.
        collate: Makes a micro-batch of records, with nothing masked.
        device: Device of the model.
        refine: Passes behind the first.
        threshold: The probability above which a refining pass shows the model's own answers.
        max_context: Labels that may be given with a text.
        drops_surplus: Whether, of more that are given, all but the first are left out; otherwise they are refused.
        excluded: Labels that are no candidates of a record, which then needs its id.
        depth: How many labels are ranked; None: a shortlist.
        reads_no: Whether training showed the context labels as NO. Where it did not, their state means nothing: what is
            given as NO is then no candidate, and is not read.
    """

    model: Model
    labels: Candidates
    collate: Callable[[RecordBatch], TextBatch]
    device: torch.device
    refine: int = 0
    threshold: float = 0.5
    max_context: int = 64
    drops_surplus: bool = False
    excluded: LabelFilter | None = None
    depth: int | None = None
    reads_no: bool = True

    def rank(self, records: RecordBatch, given: Sequence[Mapping[int, bool]] = ()) -> dict[str, Ranked]:
        """Rank one batch. A collective, with batches of one size.

        Args:
            records: The batch.
            given: Nothing, or what is known of each record: {label id: whether it is true}. Those labels are context
                for the others and never candidates.

        Returns:
            The rankings by name; the last one is the model's answer.

        Raises:
            ConfigError: Labels are given to, or `refine` is asked of, a model that reads no labels; or more are given
                than are read with a text.
        """
        with self.asking(records, given) as batch:
            return self.rankings(batch, *self.propose(batch))

    @contextmanager
    def asking(self, records: RecordBatch, given: Sequence[Mapping[int, bool]] = ()) -> Iterator[TextBatch]:
        """Yield a batch on the device, with what is given and excluded, and the model without dropout and gradients."""
        if self.drops_surplus and self.model.reads_context:
            given = [dict(islice(known.items(), self.max_context)) for known in given]
        self._check(given)
        batch = self.collate(records)
        if any(given) and self.model.reads_context and not self.reads_no:
            false = [[label for label, is_true in known.items() if not is_true] for known in given]
            batch = batch.excluding([np.array(labels, dtype=np.int64) for labels in false])
            given = [{label: True for label, is_true in known.items() if is_true} for known in given]
        if any(given):
            batch = batch.revealing(given)
        if self.excluded:
            batch = batch.excluding(self.excluded.of(records.table["id"].to_pylist()))
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad():
                yield batch.to(self.device)
        finally:
            self.model.train(was_training)

    def _check(self, given: Sequence[Mapping[int, bool]]) -> None:
        if (any(given) or self.refine) and not self.reads_labels:
            raise ConfigError(f"{NO_CONTEXT}, no label can be given and no answer refined")
        self.check_given(max(map(len, given), default=0))

    def check_given(self, number: int) -> None:
        """Raise ConfigError if so many labels cannot be given with one text."""
        if self.drops_surplus and self.model.reads_context:
            number = min(number, self.max_context)
        if number >= self.labels.num_labels:
            raise ConfigError(f"all {number} labels are given with one text: there is none to rank")
        if self.model.reads_context and number > self.max_context:
            raise ConfigError(
                f"{number} labels are given with one text: at most {self.max_context} (cloze.max_context); give fewer, "
                "or let the surplus be left out with --drop-surplus"
            )

    @property
    def reads_labels(self) -> bool:
        """Whether known labels change its answers."""
        return self.model.reads_context or self.model.has_slots

    def rankings(self, batch: TextBatch, text: Any, proposal: Proposal) -> dict[str, Ranked]:
        """Rank the candidates of a proposal in every way that the model has."""
        ids_BK, rankings = proposal.masked.ids_BC, {}
        if self.labels.scans:
            rankings["scan"] = ids_BK, proposal.scores_BK
        if self.refine and self.model.reads_context:
            rankings["refined"] = self.refined(batch, proposal)
        if self.model.has_slots:
            name = "scan+cloze" if self.labels.scans else "cloze"
            rankings[name] = ids_BK, self._slot_scores(text, proposal)
        return {name: self._best(*answer) for name, answer in rankings.items()}

    def refined(self, batch: TextBatch, proposal: Proposal) -> tuple[Tensor, Tensor]:
        """Read again with the surest answers shown, and scan again: ids and scores [B, K], best first."""
        first = proposal.masked.ids_BC, proposal.scores_BK
        room_B = (self.max_context - (batch.revealed_BV >= 0).sum(dim=1)).clamp(min=0)
        return reread(partial(self._answer, batch), first, self.refine, self.threshold, room_B)

    def logits(self, query_BE: Tensor, ids_BK: Tensor) -> Tensor:
        """Score chosen labels as the scan does: logits [B, K], -inf for -1. A collective."""
        rows_BKX = self.labels.look_up(ids_BK).rows
        logits_BK = torch.einsum("be,bke->bk", query_BE.to(rows_BKX), rows_BKX[..., :-2]) + rows_BKX[..., SCAN_BIAS - 2]
        return logits_BK.masked_fill(ids_BK < 0, -torch.inf)

    def propose(self, batch: TextBatch) -> tuple[Any, Proposal]:
        """Read texts with what is revealed, and scan; what one form of the model reads, only that form can fill.

        Never less than a shortlist is proposed: what slots and refinement answer does not depend on the depth.
        """
        text = self.read(batch)
        depth = None if self.depth is None else max(self.depth, self.labels.shortlist)
        return text, self.labels.rank_labels(batch, text.query_BE, depth)[0]

    def read(self, batch: TextBatch) -> Any:
        """Read texts with what is revealed."""
        if not self.model.reads_context:
            return self.model.read(batch)
        rows_BVX = self.labels.look_up(batch.revealed_BV).rows
        return self.model.read(batch, Slots(batch.revealed_BV, rows_BVX, batch.revealed_states_BV))

    def _answer(self, batch: TextBatch, shown_BN: Tensor) -> tuple[Tensor, Tensor]:
        """Scan again with further labels shown as YES: ids and scores [B, K]."""
        proposal = self.propose(batch.revealing_too(shown_BN, State.YES))[1]
        return proposal.masked.ids_BC, proposal.scores_BK

    def _slot_scores(self, text: Any, proposal: Proposal) -> Tensor:
        """Add what the slots say of the shortlist to the scan's logits; labels behind it keep theirs."""
        if not self.labels.scans:
            return mask_predict(partial(self.model.fill, text), proposal, self.refine)
        first = proposal.first(self.labels.shortlist)
        refine = 0 if self.model.reads_context else self.refine
        scores_BK = mask_predict(partial(self.model.fill, text), first, refine)
        return torch.cat([scores_BK, proposal.scores_BK[:, scores_BK.shape[1] :]], dim=1)

    def _best(self, ids_BK: Tensor, scores_BK: Tensor) -> Ranked:
        scores_BK, depth = scores_BK.float(), self.depth or self.labels.shortlist
        order_BK = scores_BK.argsort(dim=1, descending=True, stable=True)[:, :depth]
        return Ranked(ids_BK.gather(1, order_BK).cpu().numpy(), scores_BK.gather(1, order_BK).cpu().numpy())
