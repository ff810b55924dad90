"""The shortlist: the best labels of all ranks for each of this rank's records."""

import torch
from torch import Tensor

from ..distributed import Ranks


def merge_shortlists(scores_QK: Tensor, ids_QK: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor]:
    """Bring together what each rank found for the queries of all ranks [W * B, K]; returns [B, K], best first.

    Equal scores go to the lower label id, whatever the world size.
    """
    k = scores_QK.shape[1]
    scores_WBK = ranks.exchange(scores_QK.view(ranks.world_size, -1, k))
    ids_WBK = ranks.exchange(ids_QK.view(ranks.world_size, -1, k))
    scores, ids = scores_WBK.transpose(0, 1).flatten(1), ids_WBK.transpose(0, 1).flatten(1)
    by_id = ids.argsort(dim=1)
    order = scores.gather(1, by_id).argsort(dim=1, descending=True, stable=True)[:, :k]
    chosen = by_id.gather(1, order)
    return scores.gather(1, chosen), ids.gather(1, chosen)


def is_positive(ids_BK: Tensor, record_N: Tensor, label_N: Tensor, num_labels: int) -> Tensor:
    """Tell which candidates [B, K] are among their record's labels, given as pairs (record, label)."""
    records_B1 = torch.arange(len(ids_BK), device=ids_BK.device)[:, None]
    return torch.isin(records_B1 * num_labels + ids_BK, record_N * num_labels + label_N) & (ids_BK >= 0)
