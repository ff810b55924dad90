"""Select the ranker of a run: the model's own, or the fusion that `lmmtc tune` has chosen, with the neighbour index."""

from collections.abc import Iterable
from dataclasses import replace

import torch

from sharding import RecordBatch

from ..distributed import Ranks
from ..errors import ConfigError
from ..evaluation import Ranker
from ..neighbours import NeighbourIndex, fingerprint
from ..run.folder import RunFolder
from .fused import VOTES, FusedRanker
from .loading import TrainedModel
from .tuning import Tuning


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
