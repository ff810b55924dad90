"""The ranker of a tuned run: late fusion of scan, refined answers, slots and the votes of nearest training records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor

from sharding import LabelFilter, RecordBatch

from ..config.neighbours import Key
from ..evaluation import Channels, Ranked, Ranker
from ..neighbours import NeighbourIndex, Neighbours, VoteRule
from .tuning import Tuning

VOTES = ("dense", "sparse")
DEEP = 64  # labels of the scan that a fusion looks at, at least


@dataclass(frozen=True, eq=False)
class CandidateSource:
    """What one source proposes for B records.

    Attributes:
        ids_BK: Label ids, each at most once a record; -1: none.
        values_BK: A value of each.
    """

    ids_BK: np.ndarray
    values_BK: np.ndarray


@dataclass(frozen=True, eq=False)
class Candidates:
    """The union of what all sources propose.

    Attributes:
        ids_BU: Label ids, ascending, -1 behind the last.
        values: Values [B, U] by source, NaN where it has none.
    """

    ids_BU: np.ndarray
    values: dict[str, np.ndarray]


@dataclass(frozen=True)
class FusedRanker:
    """Answers as a Ranker does, and adds the ranking "fused", which is the answer.

    Attributes:
        ranker: The model's own.
        tuning: What was chosen on dev.
        training_records_L: Training records of each label.
        index: Neighbour index of the training records; None where no vote has a weight.
        of_training_records: Whether the records may be in the index themselves: then none finds itself.
    """

    ranker: Ranker
    tuning: Tuning
    training_records_L: np.ndarray
    index: NeighbourIndex | None = None
    of_training_records: bool = False

    @property
    def excluded(self) -> LabelFilter | None:
        """Labels that are no candidates of a record."""
        return self.ranker.excluded

    @property
    def depth(self) -> int:
        """How many labels are ranked."""
        return self.ranker.depth or self.ranker.labels.shortlist

    def rank(self, records: RecordBatch, given: Sequence[Mapping[int, bool]] = ()) -> dict[str, Ranked]:
        """Rank one batch, whose records have their text where sparse keys vote. A collective."""
        rankings, channels = self.channels(records, given, self.tuning.uses)
        ids_BK, scores_BK = self.tuning.fusion.rank(channels, self.training_records_L, self.depth)
        behind = ((0, 0), (0, self.depth - ids_BK.shape[1]))  # all ranks answer in one shape
        ids_BK = np.pad(ids_BK, behind, constant_values=-1)
        return rankings | {"fused": Ranked(ids_BK, np.pad(scores_BK, behind, constant_values=-np.inf))}

    def channels(
        self, records: RecordBatch, given: Sequence[Mapping[int, bool]], names: Sequence[str]
    ) -> tuple[dict[str, Ranked], Channels]:
        """Return the model's own rankings, and what each channel of `names` says of all that any of them proposes."""
        rankings, [channels] = self.channels_by_rules(records, given, names, [self.tuning.votes])
        return rankings, channels

    def channels_by_rules(
        self,
        records: RecordBatch,
        given: Sequence[Mapping[int, bool]],
        names: Sequence[str],
        rules: Sequence[Mapping[Key, VoteRule]],
    ) -> tuple[dict[str, Ranked], list[Channels]]:
        """Compute `channels` under several rules of the vote: candidates are those of any of them."""
        labels = self.ranker.labels
        ranker = replace(self.ranker, depth=min(max(self.depth, labels.shortlist, DEEP), labels.num_labels))
        with ranker.asking(records, given) as batch:
            text, proposal = ranker.propose(batch)
            rankings = ranker.rankings(batch, text, proposal)
            neighbours = self._neighbours(records, text.query_BE if not any(given) else None, names, rules)
            record_N, label_N = batch.withheld()
            excluded = record_N.cpu().numpy(), label_N.cpu().numpy()
            sources = {
                "scan": CandidateSource(proposal.masked.ids_BC.cpu().numpy(), proposal.scores_BK.float().cpu().numpy()),
                **self._votes(neighbours, rules),
            }
            if "refined" in rankings:
                sources["refined"] = CandidateSource(rankings["refined"].ids_BK, rankings["refined"].scores_BK)
            if "slots" in names and "scan+cloze" in rankings:
                sources["answer"] = CandidateSource(rankings["scan+cloze"].ids_BK, rankings["scan+cloze"].scores_BK)
            joined = join_candidates(sources, excluded, ranker.labels.num_labels)
            base_BU = self._base(ranker, text.query_BE, joined.ids_BU, joined.values["scan"])
        of_model = {}
        for name, source in (("context", "refined"), ("slots", "answer")):
            if source in joined.values:
                of_model[name] = np.nan_to_num(joined.values[source] - np.where(joined.ids_BU < 0, 0, base_BU))
        by_rule = [
            Channels(
                joined.ids_BU,
                base_BU,
                {name: np.nan_to_num(joined.values[_source(name, number)]) for name in neighbours} | of_model,
            )
            for number in range(len(rules))
        ]
        return {name: self._cut(ranked) for name, ranked in rankings.items()}, by_rule

    def _cut(self, ranked: Ranked) -> Ranked:
        return Ranked(ranked.ids_BK[:, : self.depth], ranked.scores_BK[:, : self.depth])

    def _neighbours(
        self,
        records: RecordBatch,
        query_BE: Tensor | None,
        names: Sequence[str],
        rules: Sequence[Mapping[Key, VoteRule]],
    ) -> dict[Key, Neighbours]:
        """Search the index by texts alone: what is given is no part of a training record's key."""
        if self.index is None:
            return {}
        found = dict[Key, Neighbours]()
        most = {kind: max(self._rule(kind, each).k for each in rules) for kind in self.index.meta.keys}
        own_BX = self.index.positions(records.table["id"].to_pylist()) if self.of_training_records else None
        if "dense" in names:
            if query_BE is None:
                with self.ranker.asking(records) as batch:
                    query_BE = self.ranker.model.read(batch).query_BE
            found["dense"] = self.index.find("dense", query_BE, most["dense"], own_BX)
        if "sparse" in names:
            texts = records.table["text"].to_pylist()
            found["sparse"] = self.index.find("sparse", texts, most["sparse"], own_BX)
        return found

    def _votes(
        self, neighbours: Mapping[Key, Neighbours], rules: Sequence[Mapping[Key, VoteRule]]
    ) -> dict[str, CandidateSource]:
        sources = {}
        for (kind, found), (number, rule) in product(neighbours.items(), enumerate(rules)):
            votes = found.vote(self._rule(kind, rule), self.ranker.labels.num_labels)
            sources[_source(kind, number)] = CandidateSource(votes.ids_BM.numpy(), votes.scores_BM.numpy())
        return sources

    def _rule(self, kind: Key, chosen: Mapping[Key, VoteRule]) -> VoteRule:
        assert self.index is not None
        return chosen.get(kind) or self.index.meta.rule(kind)

    def _base(self, ranker: Ranker, query_BE: Tensor, ids_BU: np.ndarray, known_BU: np.ndarray) -> np.ndarray:
        """Score by the scan what others have proposed: their logits are looked up."""
        missing = torch.from_numpy(np.where(np.isnan(known_BU), ids_BU, -1)).to(query_BE.device)
        width = int((missing >= 0).sum(dim=1).max()) if len(missing) else 0
        order = (missing >= 0).int().argsort(dim=1, descending=True, stable=True)[:, :width]
        logits = ranker.logits(query_BE, missing.gather(1, order)).float().cpu().numpy()
        base_BU = np.where(ids_BU < 0, -np.inf, known_BU)
        places, found = order.cpu().numpy(), missing.gather(1, order).cpu().numpy() >= 0
        record_N, column_N = found.nonzero()
        base_BU[record_N, places[record_N, column_N]] = logits[record_N, column_N]
        return base_BU


def _source(channel: str, rule: int) -> str:
    return f"{channel} {rule}"


def join_candidates(
    sources: Mapping[str, CandidateSource], excluded: tuple[np.ndarray, np.ndarray], num_labels: int
) -> Candidates:
    """Join what sources propose, but for excluded pairs (record [N], label [N])."""
    keyed = {name: _keys(source.ids_BK, num_labels) for name, source in sources.items()}
    out_N = excluded[0].astype(np.int64) * num_labels + excluded[1]
    keys_N = np.setdiff1d(np.concatenate([keys for keys, _ in keyed.values()]), out_N)
    record_N, label_N = np.divmod(keys_N, num_labels)
    records = len(next(iter(sources.values())).ids_BK)
    counts_B = np.bincount(record_N, minlength=records)
    column_N = np.arange(len(keys_N)) - (np.cumsum(counts_B) - counts_B)[record_N]
    ids_BU = np.full((records, counts_B.max(initial=0)), -1, dtype=np.int64)
    ids_BU[record_N, column_N] = label_N
    values = {}
    for name, (keys, places) in keyed.items():
        values[name] = np.full(ids_BU.shape, np.nan, dtype=np.float32)
        found = np.searchsorted(keys_N, keys).clip(max=max(len(keys_N) - 1, 0))
        stays = keys_N[found] == keys if len(keys_N) else np.zeros(len(keys), dtype=bool)
        own = found[stays]
        values[name][record_N[own], column_N[own]] = sources[name].values_BK[places][stays]
    return Candidates(ids_BU, values)


def _keys(ids_BK: np.ndarray, num_labels: int) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Name pairs (record, label) by one number each, and say where they stand."""
    record_N, column_N = (ids_BK >= 0).nonzero()
    return record_N * num_labels + ids_BK[record_N, column_N], (record_N, column_N)
