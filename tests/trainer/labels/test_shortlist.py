"""What is added to a shortlist in training, and where it stands."""

import torch

from trainer.labels.shortlist import NEGATIVES, missed, shuffled


def test_a_positive_that_was_found_takes_its_negatives_with_it() -> None:
    forced_BGA = torch.tensor([[[1, 10, 11, 12, 13, 14, 15], [2, 20, 21, 22, 23, 24, 25]]])
    added = missed(forced_BGA, torch.tensor([[7, 1, 8]]))
    assert added.tolist() == [[-1] * 7 + [2, 20, 21, 22, 23, -1, -1]]


def test_negatives_that_were_found_are_replaced_by_the_next() -> None:
    forced_BGA = torch.tensor([[[1, 10, 11, -1, 13, 14, 15]]])
    added = missed(forced_BGA, torch.tensor([[10, 14]]))
    assert added.tolist() == [[1, -1, 11, -1, 13, -1, 15]]
    assert NEGATIVES == 4


def test_a_group_without_a_positive_adds_nothing() -> None:
    assert missed(torch.full((2, 3, 5), -1), torch.tensor([[1], [2]])).tolist() == [[-1] * 15] * 2


def test_the_place_of_a_slot_does_not_tell_whether_it_was_added() -> None:
    torch.manual_seed(0)
    ids_BK = torch.stack([torch.randperm(10_000)[:40] for _ in range(500)])
    scores, ids = shuffled(ids_BK.double(), ids_BK)
    assert torch.equal(scores, ids.double())
    assert torch.equal(ids.sort(dim=1).values, ids_BK.sort(dim=1).values)
    place_BK = (ids[:, :, None] == ids_BK[:, None, :]).int().argmax(dim=1)  # where the k-th of before is now
    # Mean place of 500 records of uniform places 0..39: 11.5 / sqrt(500) is its standard error; the worst of 40.
    assert float((place_BK.double().mean(dim=0) - 19.5).abs().max()) < 4 * 11.55 / 500**0.5
