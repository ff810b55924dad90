"""The answers of a tuned run: its own scan, refined answers, slots and the votes of training records, fused.

What the fusion weighs was chosen on dev by `lmmtc tune` and is kept in RUN/tuned.json.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharding import LabelFilter, RecordBatch, publish

from .candidates import Source, join_candidates
from .distributed import Ranks
from .errors import ConfigError
from .evaluation import Channels, Fusion, Ranked, Ranker
from .neighbours import NeighbourIndex, Votes, fingerprint
from .run_folder import RunFolder
from .trained import TrainedModel

VOTES = ("dense", "sparse")
DEEP = 64  # labels of the scan that a fusion looks at, at least


@dataclass(frozen=True)
class Tuning:
    """What was chosen on dev: passes of refinement and their threshold, neighbours that vote, and the fusion.

    step: of the checkpoint that it was chosen for.
    """

    step: int
    refine: int
    threshold: float
    k: int
    fusion: Fusion

    @classmethod
    def read(cls, path: Path) -> "Tuning":
        """Read RUN/tuned.json; ConfigError when it is not what `save` wrote."""
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
            numbers = {name: tree[name] for name in ("step", "refine", "threshold", "k")}
            fusion = tree["fusion"]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path}: not what lmmtc tune writes: {error!r}: run lmmtc tune again") from None
        for name, number in numbers.items():
            if not _is_sound(name, number):
                raise ConfigError(f"{path}: {name} = {number!r}: not what lmmtc tune writes: run lmmtc tune again")
        return cls(**numbers, fusion=Fusion.from_json(fusion, str(path)))

    def save(self, path: Path, figures: Mapping[str, Any]) -> None:
        """Write it, complete or not at all, with what it reached on dev."""
        numbers = {name: getattr(self, name) for name in ("step", "refine", "threshold", "k")}
        with publish(path) as temporary:
            tree = numbers | {"fusion": self.fusion.to_json(), "dev": figures}
            temporary.write_text(json.dumps(tree, indent=1), encoding="utf-8")

    @property
    def uses(self) -> tuple[str, ...]:
        """Name the channels that have any weight."""
        return tuple(each.name for each in self.fusion.used)


def _is_sound(name: str, number: Any) -> bool:
    if name == "threshold":
        return type(number) in {int, float} and 0 <= number <= 1
    return type(number) is int and number >= (name == "k")


@dataclass(frozen=True)
class FusedRanker:
    """Answers as a Ranker does, and adds the ranking "fused", which is the answer.

    index: of the training records; None where no vote has a weight. training_records_L: of each label.
    of_training_records: whether the records may be in the index themselves: then none finds itself.
    """

    ranker: Ranker
    tuning: Tuning
    training_records_L: np.ndarray
    index: NeighbourIndex | None = None
    of_training_records: bool = False

    @property
    def barred(self) -> LabelFilter | None:
        """Labels that are no candidates of a record."""
        return self.ranker.barred

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
        self, records: RecordBatch, given: Sequence[Mapping[int, bool]], names: Sequence[str], k: int | None = None
    ) -> tuple[dict[str, Ranked], Channels]:
        """Return the model's own rankings, and what each channel of `names` says of all that any of them proposes."""
        labels = self.ranker.labels
        ranker = replace(self.ranker, depth=min(max(self.depth, labels.shortlist, DEEP), labels.num_labels))
        with ranker.asking(records, given) as batch:
            text, proposal = ranker.propose(batch)
            rankings = ranker.rankings(batch, text, proposal)
            votes = self._votes(records, text.query_BE if not any(given) else None, names, k)
            record_N, label_N = batch.excluded()
            excluded = record_N.cpu().numpy(), label_N.cpu().numpy()
            sources = {
                "scan": Source(proposal.masked.ids_BC.cpu().numpy(), proposal.scores_BK.float().cpu().numpy()),
                **{name: Source(found.ids_BM.numpy(), found.scores_BM.numpy()) for name, found in votes.items()},
            }
            if "refined" in rankings:
                sources["refined"] = Source(rankings["refined"].ids_BK, rankings["refined"].scores_BK)
            if "slots" in names and "scan+cloze" in rankings:
                sources["answer"] = Source(rankings["scan+cloze"].ids_BK, rankings["scan+cloze"].scores_BK)
            joined = join_candidates(sources, excluded, ranker.labels.num_labels)
            base_BU = self._base(ranker, text.query_BE, joined.ids_BU, joined.values["scan"])
        others = {name: np.nan_to_num(joined.values[name]) for name in votes}
        for name, source in (("context", "refined"), ("slots", "answer")):
            if source in joined.values:
                others[name] = np.nan_to_num(joined.values[source] - np.where(joined.ids_BU < 0, 0, base_BU))
        return {name: self._cut(ranked) for name, ranked in rankings.items()}, Channels(joined.ids_BU, base_BU, others)

    def _cut(self, ranked: Ranked) -> Ranked:
        return Ranked(ranked.ids_BK[:, : self.depth], ranked.scores_BK[:, : self.depth])

    def _votes(
        self, records: RecordBatch, query_BE: Tensor | None, names: Sequence[str], k: int | None
    ) -> dict[str, Votes]:
        """Ask the index by texts alone: what is given is no part of a training record's key."""
        if self.index is None:
            return {}
        votes, k = {}, k or self.tuning.k
        own_BX = self.index.positions(records.table["id"].to_pylist()) if self.of_training_records else None
        if "dense" in names:
            if query_BE is None:
                with self.ranker.asking(records) as batch:
                    query_BE = self.ranker.model.read(batch).query_BE
            votes["dense"] = self.index.vote("dense", query_BE, k, own_BX)
        if "sparse" in names:
            votes["sparse"] = self.index.vote("sparse", records.table["text"].to_pylist(), k, own_BX)
        return votes

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


def answering(
    model: TrainedModel, run: RunFolder, *, refine: int | None = None, tuned: bool = True
) -> Ranker | FusedRanker:
    """Choose how a run answers: as it was tuned, or by the model alone.

    Args:
        model: The model, with the depth that is wanted.
        run: Its folder.
        refine: Passes of refinement; None: as tuned, none otherwise.
        tuned: Whether RUN/tuned.json counts, if it is there.

    Raises:
        ConfigError: It was tuned for another checkpoint, its neighbour index is missing or another model's, or no
            refinement is wanted of answers that weigh it.
    """
    if not tuned or not run.tuned.is_file():
        return replace(model.ranker, refine=refine or 0)
    tuning = Tuning.read(run.tuned)
    if tuning.step != model.step:
        raise ConfigError(
            f"{run.tuned}: was chosen for step {tuning.step}, and the checkpoint is at step {model.step}: run lmmtc "
            "tune again, or answer without it (--untuned)"
        )
    passes = tuning.refine if refine is None else refine
    if "context" in tuning.uses and not passes:
        raise ConfigError(
            f"--refine 0: {run.tuned} weighs what refinement says: refine, or answer without it (--untuned)"
        )
    ranker = replace(model.ranker, refine=passes, threshold=tuning.threshold)
    index = load_index(model, run) if any(name in VOTES for name in tuning.uses) else None
    return FusedRanker(ranker, tuning, model.vocabulary.counts, index)


def load_index(model: TrainedModel, run: RunFolder) -> NeighbourIndex:
    """Read the neighbour index of a run; ConfigError when there is none or another model made it."""
    labels = model.ranker.labels
    return NeighbourIndex.load(
        run.neighbours, fingerprint(model), model.vocabulary, labels.ranks, labels.table.vectors_RE.device
    )


def count_duplicates(index: NeighbourIndex, batches: Iterable[RecordBatch], ranks: Ranks) -> tuple[int, int]:
    """Count the records, which have their text, whose text and whose title stands in the index. A collective."""
    found = torch.zeros(2, dtype=torch.long)
    for records in batches:
        texts = records.table["text"].to_pylist()[: int(records.weights.sum())]
        found += torch.tensor(index.num_duplicates(texts))
    texts, titles = ranks.sum(found).tolist()
    return texts, titles
