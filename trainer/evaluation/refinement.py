"""Mask-predict: show the model its surest labels, mask all other candidates again, and ask once more.

Source: Ghazvininejad, Levy, Liu, Zettlemoyer, Mask-Predict, EMNLP 2019 (arXiv:1904.09324), with its linear schedule.
Unlike there, only one answer, YES, is ever shown: nearly all candidates are a NO.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..data import State
from ..model import Proposal, Slots


def mask_predict(fill: Callable[[Slots, Slots], Tensor], proposal: Proposal, steps: int) -> Tensor:
    """Score the candidates [B, K] in one pass with all of them masked, then in `steps` passes that show the surest.

    Of a record's candidates with a score above 0, step t of n shows the best t / (n + 1), rounded down, as YES beside
    what the proposal reveals. They keep their scores; all others get new ones. Who is shown is chosen anew in each
    step, so that an answer can be taken back.

    Args:
        fill: Cloze logits [B, K] of (masked, revealed) slots.
        proposal: The candidates.
        steps: How many passes, n.
    """
    scores_BK = proposal.scores_BK + fill(proposal.masked, proposal.revealed)
    for step in range(1, steps + 1):
        shown_BK = _surest(scores_BK, step, steps + 1)
        others = replace(proposal.masked, ids_BC=proposal.masked.ids_BC.masked_fill(shown_BK, -1))
        revealed = _joined(proposal.revealed, _as_yes(proposal.masked, shown_BK))
        scores_BK = torch.where(shown_BK, scores_BK, proposal.scores_BK + fill(others, revealed))
    return scores_BK


def reread(
    answer: Callable[[Tensor], tuple[Tensor, Tensor]],
    first: tuple[Tensor, Tensor],
    steps: int,
    threshold: float,
    room_B: Tensor,
) -> tuple[Tensor, Tensor]:
    """Read the texts again with the model's own surest labels beside them, and scan all labels again, `steps` times.

    Step t of n shows the best t / n, rounded up, of the labels whose probability reaches the threshold. Who is shown is
    chosen anew in each step; what is shown keeps its score.

    Args:
        answer: Ids and scores [B, K] of all other labels, best first, once the labels [B, N] (-1: none) are shown as
            YES.
        first: Ids and scores of the texts alone.
        steps: How many passes, n.
        threshold: A probability.
        room_B: Labels of each record that may be shown, at most.

    Returns:
        Ids and scores [B, K], best first.
    """
    (ids_BK, scores_BK), size = first, first[0].shape[1]
    for step in range(1, steps + 1):
        sure_BK = (scores_BK.sigmoid() >= threshold) & (ids_BK >= 0)
        count_B = ((sure_BK.sum(dim=1) * step + steps - 1) // steps).minimum(room_B)
        width = int(count_B.max())
        shown_BN = ids_BK[:, :width].masked_fill(torch.arange(width, device=ids_BK.device) >= count_B[:, None], -1)
        others_BK, other_scores_BK = answer(shown_BN)
        kept_BN = scores_BK[:, :width].masked_fill(shown_BN < 0, -torch.inf)
        ids_BK, scores_BK = torch.cat([shown_BN, others_BK], dim=1), torch.cat([kept_BN, other_scores_BK], dim=1)
        order_BK = scores_BK.argsort(dim=1, descending=True, stable=True)[:, :size]
        ids_BK, scores_BK = ids_BK.gather(1, order_BK), scores_BK.gather(1, order_BK)
    return ids_BK, scores_BK


def _surest(scores_BK: Tensor, part: int, parts: int) -> Tensor:
    """Choose the best part / parts of the candidates that score above 0: bool [B, K]."""
    count_B = (scores_BK > 0).sum(dim=1) * part // parts
    place_BK = scores_BK.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return place_BK < count_B[:, None]


def _as_yes(slots: Slots, chosen_BK: Tensor) -> Slots:
    """Pack the chosen slots to the front: every masked slot pays for all that are revealed, empty ones among them."""
    order_BV = chosen_BK.int().argsort(dim=1, descending=True, stable=True)[:, : int(chosen_BK.sum(dim=1).max())]
    ids_BV = slots.ids_BC.masked_fill(~chosen_BK, -1).gather(1, order_BV)
    rows_BVX = slots.rows_BCX.take_along_dim(order_BV[..., None], dim=1)
    return Slots(ids_BV, rows_BVX, torch.full_like(ids_BV, State.YES))


def _joined(first: Slots, second: Slots) -> Slots:
    return Slots(
        torch.cat([first.ids_BC, second.ids_BC], dim=1),
        torch.cat([first.rows_BCX, second.rows_BCX], dim=1),
        torch.cat([first.states_BC, second.states_BC], dim=1),
    )
