"""Shortlists: the top K of all ranks merged for each record of this rank, and labels that training adds."""

import torch
from torch import Tensor

from ..data import TextBatch
from ..distributed import Ranks

NEGATIVES = 4  # beside each positive that is added


def merge_shortlists(scores_QK: Tensor, ids_QK: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor]:
    """Exchange and merge what each rank found for the queries of all ranks. A collective.

    Equal scores go to the lower label id, whatever the world size.

    Args:
        scores_QK: [W * B, K], of this rank's labels.
        ids_QK: Their ids, likewise.
        ranks: Who shares the labels.

    Returns:
        Scores and ids of this rank's records, [B, K] each, best first.
    """
    return bring_home(scores_QK, ids_QK, scores_QK[:, :0], ranks)[:2]


def bring_home(scores_QK: Tensor, ids_QK: Tensor, gradient_QE: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor, Tensor]:
    """Send what each rank found for a query to the rank that asked, in one exchange, and merge it. A collective.

    Args:
        scores_QK: [W * B, K], of this rank's labels.
        ids_QK: Their ids, likewise.
        gradient_QE: What its labels add to the gradients of queries.
        ranks: Who shares the labels.

    Returns:
        Scores and ids of this rank's records, [B, K] each, best first, and the gradients of their queries.
    """
    k = scores_QK.shape[1]
    as_ids, kept = (torch.int32 if scores_QK.dtype is torch.float32 else torch.int64), ids_QK.dtype
    packed_QX = torch.cat([scores_QK, ids_QK.to(as_ids).view(scores_QK.dtype), gradient_QE.to(scores_QK)], dim=1)
    packed_WBX = ranks.exchange(packed_QX.view(ranks.world_size, -1, packed_QX.shape[1]))
    scores_WBK, ids_WBK = packed_WBX[..., :k], packed_WBX[..., k : 2 * k].contiguous().view(as_ids).to(kept)
    return *_merged(scores_WBK, ids_WBK), packed_WBX[..., 2 * k :].sum(dim=0)


def _merged(scores_WBK: Tensor, ids_WBK: Tensor) -> tuple[Tensor, Tensor]:
    k = scores_WBK.shape[2]
    scores, ids = scores_WBK.transpose(0, 1).flatten(1), ids_WBK.transpose(0, 1).flatten(1)
    by_id = ids.argsort(dim=1)
    order = scores.gather(1, by_id).argsort(dim=1, descending=True, stable=True)[:, :k]
    chosen = by_id.gather(1, order)
    return scores.gather(1, chosen), ids.gather(1, chosen)


def missed(forced_BGA: Tensor, ids_BK: Tensor) -> Tensor:
    """Select what the shortlist misses of each group, a positive and then its negatives: ids [B, G * A], -1: none.

    A positive that is in the shortlist takes its group with it; of one that is not, `NEGATIVES` stay.
    """
    new_BGA = (forced_BGA >= 0) & ~(forced_BGA[..., None] == ids_BK[:, None, None, :]).any(dim=-1)
    new_BGA = new_BGA & new_BGA[..., :1]
    new_BGA = new_BGA & (new_BGA.cumsum(dim=-1) <= 1 + NEGATIVES)
    return forced_BGA.masked_fill(~new_BGA, -1).flatten(1)


def shuffled(scores_BK: Tensor, ids_BK: Tensor) -> tuple[Tensor, Tensor]:
    """Order slots by a hash of their labels: where a label stands must not tell how it came there."""
    order_BK = (ids_BK * 0x1B873593CC9E2D51 >> 20).argsort(dim=1, stable=True)
    return scores_BK.gather(1, order_BK), ids_BK.gather(1, order_BK)


def is_positive(ids_BK: Tensor, record_N: Tensor, label_N: Tensor, num_labels: int) -> Tensor:
    """Tell which candidates [B, K] are among their record's labels, given as pairs (record, label)."""
    records_B1 = torch.arange(len(ids_BK), device=ids_BK.device)[:, None]
    if not len(label_N):
        return torch.zeros_like(ids_BK, dtype=torch.bool)
    # By search: torch.isin asks a GPU how many different ones there are.
    keys_N, wanted_BK = (record_N * num_labels + label_N).sort().values, records_B1 * num_labels + ids_BK
    found_BK = keys_N[torch.searchsorted(keys_N, wanted_BK).clamp(max=len(keys_N) - 1)]
    return (found_BK == wanted_BK) & (ids_BK >= 0)


def findable(batch: TextBatch, num_labels: int) -> Tensor:
    """Count the true labels that are candidates, neither revealed nor excluded: more than those nobody can propose."""
    revealed_too_BN = (batch.excluded_BN[..., None] == batch.revealed_BV[:, None, :]).any(dim=-1)
    hidden_BH = torch.cat([batch.revealed_BV, batch.excluded_BN.masked_fill(revealed_too_BN, -1)], dim=1)
    return len(batch.labels) - is_positive(hidden_BH, batch.label_records(), batch.labels, num_labels).sum()


def slot_weights(positive_weights_L: Tensor | None, ids_BK: Tensor, targets_BK: Tensor) -> Tensor | None:
    """Let slots count as their labels do in the scan, whose score they add to; None: 1."""
    if positive_weights_L is None:
        return None
    return torch.where(targets_BK, positive_weights_L[ids_BK.clamp(min=0)], 1.0)
