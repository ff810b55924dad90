"""A slot for every label, on several ranks, against one table held whole, plain indexing and autograd."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sharding import ChunkPlan
from trainer.data import State, TextBatch
from trainer.distributed import Ranks
from trainer.labels import AllSlots, LabelTable, RowRange, create_table
from trainer.model import Normaliser, Proposal
from trainer.model.proposal import Question

NUM_LABELS, WIDTH, RECORDS = 11, 4, 6
COUNTS = np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 0])
PLAN = ChunkPlan(np.array([7, 2, 10, 0, 5, 4, 9, 1, 8, 3, 6]), 4)
PLAN.order.flags.writeable = False  # as where it is mapped from a file

# Of the six records: their labels, those shown as context, some of them false, and one that is no candidate.
LABELS = [[0, 3], [], [10, 2], [1, 5, 6], [9], [4]]
REVEALED = [[3, -1], [-1, -1], [2, 7], [5, 1], [-1, -1], [0, -1]]
EXCLUDED = [-1, 6, -1, 0, -1, 9]
STATES = [[1, 0], [0, 0], [1, 2], [1, 1], [0, 0], [2, 0]]

OnRanks = Callable[..., list[Any]]

WORLDS = pytest.mark.parametrize("world_size", [1, 2, 3])


def table(rows: RowRange) -> LabelTable:
    return create_table(COUNTS, 20, WIDTH, 3, rows)


def whole_rows() -> Tensor:
    return table(RowRange(0, NUM_LABELS)).rows(slice(None))


def side_of(ranks: Ranks) -> AllSlots:
    own = RowRange.of_rank(NUM_LABELS, ranks.rank, ranks.world_size)
    return AllSlots(table(own), PLAN, 5, ranks)


def own_records(ranks: Ranks) -> slice:
    share = RECORDS // ranks.world_size
    return slice(ranks.rank * share, (ranks.rank + 1) * share)


def batch(own: slice) -> TextBatch:
    labels = LABELS[own]
    no_text = torch.zeros(len(labels), 0, dtype=torch.long)
    return TextBatch(
        ids_BT=no_text,
        originals_BT=no_text,
        masked_BT=no_text.bool(),
        mask_BT=no_text.bool(),
        weights_B=torch.ones(len(labels)),
        labels=torch.tensor([label for record in labels for label in record], dtype=torch.long),
        label_offsets=torch.tensor([0, *np.cumsum([len(record) for record in labels])]),
        revealed_BV=torch.tensor(REVEALED[own]),
        revealed_states_BV=torch.tensor(STATES[own]),
        excluded_BN=torch.tensor(EXCLUDED[own])[:, None],
    )


def factors(*shape: int) -> Tensor:
    """Draw what the rows of all records are multiplied by, so that each has a gradient of its own."""
    return torch.randn(RECORDS, *shape, WIDTH + 2, generator=torch.Generator().manual_seed(len(shape) + shape[0]))


def loss_of(masked_BLX: Tensor, revealed_BVX: Tensor, own: slice) -> Tensor:
    shown_BV1 = torch.tensor(REVEALED[own])[..., None] >= 0
    masked_loss = (masked_BLX.square() * factors(NUM_LABELS)[own]).sum()
    return masked_loss + (revealed_BVX.square() * factors(2)[own] * shown_BV1).sum()


def unasked(*_: Any) -> None:
    raise AssertionError("without a scan, no row gets a gradient of it")


@dataclass(frozen=True)
class Learned:
    """What one rank got: about its records, and about its rows."""

    ids_BL: np.ndarray
    states_BL: np.ndarray
    scores_BL: np.ndarray
    targets_BL: np.ndarray
    rows_1LX: np.ndarray
    revealed: tuple[np.ndarray, np.ndarray, np.ndarray]
    gradient_RX: np.ndarray

    @classmethod
    def of(cls, proposal: Proposal, gradient_RX: Tensor) -> "Learned":
        """Copy out what a test looks at."""
        masked, revealed = proposal.masked, proposal.revealed
        return cls(
            ids_BL=masked.ids_BC.numpy(),
            states_BL=masked.states_BC.numpy(),
            scores_BL=proposal.scores_BK.numpy(),
            targets_BL=proposal.targets_BK.numpy(),
            rows_1LX=masked.rows_BCX.detach().numpy().copy(),
            revealed=(revealed.ids_BC.numpy(), revealed.states_BC.numpy(), revealed.rows_BCX.detach().numpy()),
            gradient_RX=gradient_RX.numpy(),
        )


def learn(ranks: Ranks) -> Learned:
    side, own = side_of(ranks), own_records(ranks)
    share = RECORDS // ranks.world_size
    proposal, fetched = side.learn(batch(own), torch.empty(share, 0), Normaliser(RECORDS, 1, 1), unasked, 1)
    loss_of(proposal.masked.rows_BCX, proposal.revealed.rows_BCX, own).backward()
    gradient_RX = torch.zeros_like(side.table.rows(slice(None)))
    rows_N, gradient_NX = fetched.return_gradients(ranks)
    gradient_RX[rows_N] = gradient_NX
    return Learned.of(proposal, gradient_RX)


def joined(parts: list[np.ndarray]) -> Any:
    return np.concatenate(parts)


@pytest.mark.ranks
@WORLDS
def test_every_label_that_is_neither_revealed_nor_barred_has_a_masked_slot_in_the_order_of_the_plan(
    on_ranks: OnRanks, world_size: int
) -> None:
    learned: list[Learned] = on_ranks(learn, world_size)
    excluded = [{*shown, excluded} for shown, excluded in zip(REVEALED, EXCLUDED, strict=True)]
    ids_BL = [[-1 if label in own else label for label in PLAN.order.tolist()] for own in excluded]
    assert joined([rank.ids_BL for rank in learned]).tolist() == ids_BL
    wanted = [[label in own for label in ids] for ids, own in zip(ids_BL, LABELS, strict=True)]
    assert joined([rank.targets_BL for rank in learned]).tolist() == wanted
    wanted = [[0.0 if label >= 0 else -np.inf for label in ids] for ids in ids_BL]
    assert joined([rank.scores_BL for rank in learned]).tolist() == wanted
    assert set(joined([rank.states_BL for rank in learned]).flat) == {State.MASK}


@pytest.mark.ranks
@WORLDS
def test_slots_hold_the_rows_of_one_table(on_ranks: OnRanks, world_size: int) -> None:
    learned: list[Learned] = on_ranks(learn, world_size)
    rows_LX = whole_rows().numpy()
    for rank in learned:
        np.testing.assert_array_equal(rank.rows_1LX, rows_LX[PLAN.order][None])  # once for all records
    ids, states, rows = (joined([rank.revealed[part] for rank in learned]) for part in range(3))
    assert (ids.tolist(), states.tolist()) == (REVEALED, STATES)
    np.testing.assert_array_equal(rows[ids >= 0], rows_LX[ids[ids >= 0]])


@pytest.mark.ranks
@WORLDS
def test_gradients_go_home_as_those_of_one_table(on_ranks: OnRanks, world_size: int) -> None:
    rows_LX = whole_rows().requires_grad_()
    everyone = slice(0, RECORDS)
    loss_of(rows_LX[PLAN.order.tolist()].repeat(RECORDS, 1, 1), rows_LX[torch.tensor(REVEALED)], everyone).backward()
    found = joined([rank.gradient_RX for rank in on_ranks(learn, world_size)])
    assert rows_LX.grad is not None
    # DeepSpeed would average over ranks; rows are averaged here. fp32: sums of at most 8 terms in another order.
    np.testing.assert_allclose(found, rows_LX.grad.numpy() / world_size, rtol=1e-5, atol=1e-7)


def test_rows_are_lent_once_for_all_records() -> None:
    proposal, fetched = side_of(Ranks()).rank_labels(batch(slice(0, RECORDS)), torch.empty(RECORDS, 0))
    assert fetched.rows.shape == (NUM_LABELS, WIDTH + 2)
    slots = proposal.masked.rows_BCX
    assert slots.untyped_storage().data_ptr() == fetched.rows.untyped_storage().data_ptr()


def test_cut_into_chunks_the_slots_are_those_of_the_plan_whatever_a_record_excludes() -> None:
    everything = batch(slice(0, RECORDS))
    proposal, _ = side_of(Ranks()).rank_labels(everything, torch.empty(RECORDS, 0))
    chunks = Question.of(proposal, everything.weights_B).chunks(PLAN.size)
    seen = [set(chunk.slots.ids_BC.flatten().tolist()) - {-1} for chunk in chunks]
    assert seen == [{7, 2, 10, 0}, {5, 4, 9, 1}, {8, 3, 6}]


def test_there_is_nothing_to_learn_from_a_scan() -> None:
    given = batch(slice(0, RECORDS)), torch.empty(RECORDS, 0), Normaliser(RECORDS, 1, 1), unasked, 1
    proposal, _ = side_of(Ranks()).learn(*given)
    assert (float(proposal.loss), proposal.query_gradient_BE.shape) == (0, (RECORDS, 0))


def test_positives_may_count_more_than_negatives() -> None:
    weights_L = torch.arange(2.0, 2 + NUM_LABELS)
    side, everything = replace(side_of(Ranks()), positive_weights_L=weights_L), batch(slice(0, RECORDS))
    proposal, _ = side.rank_labels(everything, torch.empty(RECORDS, 0))
    slots = zip(LABELS, proposal.masked.ids_BC.tolist(), strict=True)
    wanted = [[label + 2 if label in own else 1.0 for label in ids] for own, ids in slots]
    assert proposal.weights_BK is not None
    assert proposal.weights_BK.tolist() == wanted
    assert sum(weight > 1 for weights in wanted for weight in weights) == int(proposal.findable)


def test_true_labels_that_are_shown_or_barred_cannot_be_found() -> None:
    proposal, _ = side_of(Ranks()).rank_labels(batch(slice(0, RECORDS)), torch.empty(RECORDS, 0))
    hidden = zip(LABELS, REVEALED, EXCLUDED, strict=True)
    assert int(proposal.findable) == sum(len({*own} - {*shown, excluded}) for own, shown, excluded in hidden)
    both = replace(batch(slice(0, 1)), excluded_BN=torch.tensor([[3]]))  # shown as well: of 0 and 3, 0 is left
    assert int(side_of(Ranks()).rank_labels(both, torch.empty(1, 0))[0].findable) == 1


def test_rows_that_only_rank_ask_for_no_gradient() -> None:
    with torch.no_grad():
        proposal, _ = side_of(Ranks()).rank_labels(batch(slice(0, RECORDS)), torch.empty(RECORDS, 0))
    assert not proposal.masked.rows_BCX.requires_grad
