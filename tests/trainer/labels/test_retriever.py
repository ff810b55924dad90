"""The label side on several ranks against one table held whole and plain autograd."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from trainer.data import State, TextBatch
from trainer.distributed import Ranks
from trainer.labels import LabelRetriever, LabelTable, RowRange, Sampling, ScanGradient, create_table
from trainer.labels.gradient import Rows
from trainer.model import Normaliser

NUM_LABELS, WIDTH, SHORTLIST, CHUNK, RECORDS = 11, 4, 5, 3, 6
COUNTS = np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 0])

# Of the six records: their labels, those shown as context, one that is no candidate, and the last is padding.
LABELS = [[0, 3], [], [10, 2], [1, 5, 6], [9], [4]]
REVEALED = [[3, -1], [-1, -1], [2, 7], [5, 1], [-1, -1], [-1, -1]]
TOLD = [[3, -1], [-1, -1], [2, 7], [5, 8], [-1, -1], [-1, -1]]
EXCLUDED = [-1, 6, -1, 0, -1, 9]
WEIGHTS = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]

# Of what is told where it is read before the scan: label 7 is false and denied, label 8 is false and affirmed.
STATES = [[State.YES, 0], [0, 0], [State.YES, State.NO], [State.YES, State.YES], [0, 0], [0, 0]]
POSITIVES_L = torch.linspace(1, 3, NUM_LABELS)
SAMPLINGS = {1.0: Sampling(), 0.5: Sampling(0.5, seed=4)}

OnRanks = Callable[..., list[Any]]

pytestmark = pytest.mark.ranks


def table(rows: RowRange) -> LabelTable:
    return create_table(COUNTS, 20, WIDTH, 3, rows)


def queries() -> Tensor:
    return 20 * torch.randn(RECORDS, WIDTH, generator=torch.Generator().manual_seed(0))


def own_records(ranks: Ranks) -> slice:
    """Give the first rank fewer records than its share, and the last what is left."""
    share = RECORDS // ranks.world_size
    edges = [0, *(rank * share - 1 for rank in range(1, ranks.world_size)), RECORDS]
    return slice(edges[ranks.rank], edges[ranks.rank + 1])


def batch(own: slice) -> TextBatch:
    """Show labels as YES."""
    labels, revealed = LABELS[own], torch.tensor(REVEALED[own])
    no_text = torch.zeros(len(labels), 0, dtype=torch.long)
    return TextBatch(
        ids_BT=no_text,
        originals_BT=no_text,
        masked_BT=no_text.bool(),
        mask_BT=no_text.bool(),
        weights_B=torch.tensor(WEIGHTS[own]),
        labels=torch.tensor([label for record in labels for label in record], dtype=torch.long),
        label_offsets=torch.tensor([0, *np.cumsum([len(record) for record in labels])]),
        revealed_BV=revealed,
        revealed_states_BV=torch.full_like(revealed, State.YES),
        excluded_BN=torch.tensor(EXCLUDED[own])[:, None],
    )


def side_of(ranks: Ranks, **settings: Any) -> LabelRetriever:
    own = RowRange.of_rank(NUM_LABELS, ranks.rank, ranks.world_size)
    return LabelRetriever(table(own), NUM_LABELS, SHORTLIST, CHUNK, ranks, **settings)


@dataclass(frozen=True)
class Learned:
    """What one rank got: about its records, and about its rows."""

    ids_BK: np.ndarray
    scores_BK: np.ndarray
    targets_BK: np.ndarray
    query_gradient_BE: np.ndarray
    loss: float
    slot_rows_BSX: np.ndarray
    revealed: tuple[list[Any], list[Any]]
    scan_gradient_RX: np.ndarray
    cloze_gradient_RX: np.ndarray


def learn(ranks: Ranks) -> Learned:
    return learn_from(batch(own_records(ranks)), side_of(ranks))


def learn_with_context(ranks: Ranks, share: float) -> Learned:
    own = own_records(ranks)
    told = replace(batch(own), revealed_BV=torch.tensor(TOLD[own]), revealed_states_BV=torch.tensor(STATES[own]))
    settings = {"sampling": SAMPLINGS[share], "positive_weights_L": POSITIVES_L, "has_slots": False}
    return learn_from(told, side_of(ranks, reads_context=True, **settings))


def learn_from(own: TextBatch, side: LabelRetriever) -> Learned:
    ranks = side.ranks
    scan_gradient_RX, cloze_gradient_RX = (torch.zeros_like(side.table.rows(slice(None))) for _ in range(2))

    def sink(rows: Rows, gradient: ScanGradient) -> None:
        scan_gradient_RX[rows] += joined(gradient)

    queries_BE = queries()[own_records(ranks)]
    proposal, fetched = side.learn(own, queries_BE, Normaliser(5, 1, 1), sink, 1)
    (fetched.rows**2).sum().backward()
    rows_N, gradient_NX = fetched.return_gradients(ranks)
    cloze_gradient_RX[rows_N] = gradient_NX
    return Learned(
        ids_BK=proposal.masked.ids_BC.numpy(),
        scores_BK=proposal.scores_BK.numpy(),
        targets_BK=proposal.targets_BK.numpy(),
        query_gradient_BE=proposal.query_gradient_BE.numpy(),
        loss=float(proposal.loss),
        slot_rows_BSX=fetched.rows.detach().numpy(),
        revealed=(proposal.revealed.ids_BC.tolist(), proposal.revealed.states_BC.tolist()),
        scan_gradient_RX=scan_gradient_RX.numpy(),
        cloze_gradient_RX=cloze_gradient_RX.numpy(),
    )


def joined(gradient: ScanGradient) -> Tensor:
    worked_out = gradient.multiplied()
    return torch.cat([worked_out.vectors_NE, worked_out.biases_N2], dim=1)


def autograd(weights_QL: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return logits [6, L], loss, query gradient and row gradient, of all records and all labels at once.

    weights_QL: what the pairs of records and labels count; None: 1.
    """
    whole = table(RowRange(0, NUM_LABELS))
    rows_LX, queries_QE = whole.rows(slice(None)).clone().requires_grad_(), queries().requires_grad_()
    logits_QL = queries_QE @ rows_LX[:, :-2].T + rows_LX[:, -2]
    targets_QL = pairs(LABELS).float()
    losses_QL = binary_cross_entropy_with_logits(logits_QL, targets_QL, reduction="none")
    losses_QL = losses_QL if weights_QL is None else weights_QL * losses_QL
    loss = (losses_QL * torch.tensor(WEIGHTS)[:, None] * whole.trained_R).sum() / 5
    loss.backward()
    assert queries_QE.grad is not None
    assert rows_LX.grad is not None
    return logits_QL.detach(), loss.detach(), queries_QE.grad, rows_LX.grad


def pairs(labels: list[list[int]]) -> Tensor:
    """Mark pairs of records and labels: bool [6, L]."""
    return torch.tensor([[label in own for label in range(NUM_LABELS)] for own in labels])


def assert_near(found: np.ndarray, wanted: Tensor) -> None:
    # fp32: sums of a dozen terms of about 1, in another order.
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_any_number_of_ranks_proposes_and_learns_what_one_table_does(on_ranks: OnRanks, world_size: int) -> None:
    logits_QL, loss, query_gradient_QE, row_gradient_LX = autograd()
    learned: list[Learned] = on_ranks(learn, world_size)
    ids_QK = np.concatenate([rank.ids_BK for rank in learned])
    for query, (labels, shown, excluded) in enumerate(zip(LABELS, REVEALED, EXCLUDED, strict=True)):
        ranked = sorted(set(range(NUM_LABELS)) - {*shown, excluded}, key=lambda label: -float(logits_QL[query, label]))
        assert ids_QK[query].tolist() == ranked[:SHORTLIST]
        targets = np.concatenate([rank.targets_BK for rank in learned])[query]
        assert targets.tolist() == [label in labels for label in ranked[:SHORTLIST]]
    assert_near(np.concatenate([rank.scores_BK for rank in learned]), logits_QL.gather(1, torch.from_numpy(ids_QK)))
    assert_near(np.concatenate([rank.query_gradient_BE for rank in learned]), query_gradient_QE)
    assert_near(np.concatenate([rank.scan_gradient_RX for rank in learned]), row_gradient_LX)
    assert sum(rank.loss for rank in learned) == pytest.approx(float(loss), rel=1e-6)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_slots_hold_the_rows_of_their_labels_and_send_gradients_back(on_ranks: OnRanks, world_size: int) -> None:
    learned: list[Learned] = on_ranks(learn, world_size)
    rows_LX = table(RowRange(0, NUM_LABELS)).rows(slice(None)).numpy()
    ids_QS = np.concatenate([REVEALED, np.concatenate([rank.ids_BK for rank in learned])], axis=1)
    slot_rows = np.concatenate([rank.slot_rows_BSX for rank in learned])
    np.testing.assert_array_equal(slot_rows, np.where(ids_QS[..., None] >= 0, rows_LX[ids_QS], 0))
    assert [ids for rank in learned for ids in rank.revealed[0]] == REVEALED
    assert {state for rank in learned for states in rank.revealed[1] for state in states} == {State.YES}
    times_L = np.array([np.sum(ids_QS == label) for label in range(NUM_LABELS)])
    # The gradient of a slot's squares is twice its row. DeepSpeed would average over ranks; rows are averaged here.
    wanted = torch.from_numpy(2 * rows_LX * times_L[:, None] / world_size)
    assert_near(np.concatenate([rank.cloze_gradient_RX for rank in learned]), wanted)


@pytest.mark.parametrize("share", SAMPLINGS)
@pytest.mark.parametrize("world_size", [1, 2])
def test_the_scan_learns_nothing_from_labels_that_queries_have_been_told(
    on_ranks: OnRanks, world_size: int, share: float
) -> None:
    negatives_L = torch.tensor([SAMPLINGS[share].weight(1, label // CHUNK) for label in range(NUM_LABELS)])
    assert bool((negatives_L == 0).any()) == (share < 1)
    weights_QL = torch.where(pairs(LABELS), POSITIVES_L, negatives_L).masked_fill(pairs(TOLD), 0)
    logits_QL, loss, query_gradient_QE, row_gradient_LX = autograd(weights_QL)
    learned: list[Learned] = on_ranks(learn_with_context, world_size, share)
    assert_near(np.concatenate([rank.query_gradient_BE for rank in learned]), query_gradient_QE)
    assert_near(np.concatenate([rank.scan_gradient_RX for rank in learned]), row_gradient_LX)
    assert sum(rank.loss for rank in learned) == pytest.approx(float(loss), rel=1e-6)
    ids_QK = np.concatenate([rank.ids_BK for rank in learned]).tolist()
    for logits_L, told, excluded, ids_K in zip(logits_QL.tolist(), TOLD, EXCLUDED, ids_QK, strict=True):
        ranked = sorted(set(range(NUM_LABELS)) - {*told, excluded}, key=lambda label, own=logits_L: -own[label])
        assert ids_K == ranked[:SHORTLIST]
    for rank in learned:  # without slots no rows are lent, and what is told is the context's
        assert rank.slot_rows_BSX.shape[1] == 0
        assert rank.revealed == ([[]] * len(rank.ids_BK), [[]] * len(rank.ids_BK))
        assert not rank.cloze_gradient_RX.any()


def learn_from_a_bad_query(ranks: Ranks, bad_rank: int) -> tuple[bool, int]:
    side, own = side_of(ranks), own_records(ranks)
    queries_BE, updates = queries()[own], []
    if ranks.rank == bad_rank:
        queries_BE[0, 0] = torch.nan
    proposal, _ = side.learn(batch(own), queries_BE, Normaliser(5, 1, 1), lambda *update: updates.append(update), 1)
    return bool(proposal.loss.isnan()), len(updates)


def test_a_query_that_is_not_finite_is_known_to_all_ranks_before_any_row_is_touched(on_ranks: OnRanks) -> None:
    assert on_ranks(learn_from_a_bad_query, 3, 1) == [(True, 0)] * 3
