"""The contenders of the scan benchmark take the same step, alone and on the label side."""

import pytest
import torch

from benchmarks.scan.contenders import CONTENDERS, Naive, Ours, Step, recall
from benchmarks.scan.matmuls import multiply
from benchmarks.scan.memory import use_of
from benchmarks.scan.ranks import Learner
from benchmarks.scan.task import Task, make_task
from trainer.distributed import ONE_RANK

LABELS, WIDTH, CHUNK = 300, 8, 64


@pytest.fixture
def task() -> Task:
    return make_task(LABELS, WIDTH, queries=6)


def assert_same(ours: Step, naive: Step) -> None:
    # fp32: sums of hundreds of terms in another order.
    torch.testing.assert_close(ours.loss, naive.loss, rtol=1e-5, atol=0)
    torch.testing.assert_close(ours.query_gradient_QE, naive.query_gradient_QE, rtol=1e-4, atol=1e-6)
    assert [set(ids) for ids in ours.ids_QK.tolist()] == [set(ids) for ids in naive.ids_QK.tolist()]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_ours_and_naive_move_rows_alike(task: Task, optimizer: str) -> None:
    ours, naive = Ours(task, optimizer, chunk=CHUNK), Naive(task, optimizer)
    for _ in range(3):
        assert_same(ours.step(), naive.step())
    vectors_move, biases_move = naive.weight_LE.detach() - task.vectors(), naive.bias_L.detach() - task.prior_L
    for moved, wanted in (
        (ours.table.vectors_RE - task.vectors(), vectors_move),
        (ours.table.biases_R2[:, 0] - task.prior_L, biases_move),
    ):
        # fp32 keeps 1e-7 of a bias of -5, which moves by 1e-4; Adam's epsilon stands at another place in ours.
        assert float((moved - wanted).norm()) <= 1e-2 * float(wanted.norm())


def test_adagrad_and_adam_do_the_same_but_for_their_rule(task: Task) -> None:
    assert_same(CONTENDERS["ours adagrad"](task).step(), CONTENDERS["naive adam"](task).step())


def test_the_label_side_of_one_rank_does_the_same(task: Task) -> None:
    proposal, naive = Learner(task, ONE_RANK).step(), Naive(task, "sgd").step()
    found = [set(ids) for ids in proposal.masked.ids_BC.tolist()]
    assert found == [set(ids) for ids in naive.ids_QK.tolist()]
    torch.testing.assert_close(proposal.loss, naive.loss, rtol=1e-5, atol=0)


def test_recall_counts_what_is_among_the_best_or_ties_with_the_last_of_them() -> None:
    logits_QL = torch.tensor([[3.0, 2.0, 1.0, 1.0]])
    found = {ids: recall(torch.tensor([ids]), logits_QL) for ids in [(0, 1, 2), (3, 1, 0), (0, 0, 1), (2, 3, 1)]}
    assert list(found.values()) == [1.0, 1.0, pytest.approx(2 / 3), 1.0]
    assert recall(torch.tensor([[0, 2]]), logits_QL) == 0.5


def test_the_floor_leaves_rows_alone(task: Task) -> None:
    vectors_LE = task.vectors()
    multiply(task.queries_QE, vectors_LE, CHUNK)
    assert torch.equal(vectors_LE, task.vectors())


@pytest.mark.nightly
def test_the_peak_of_a_process_is_rows_and_state_and_little_else() -> None:
    labels = 200_000
    rows = 2 * labels * 256
    # Chunks take a few MB; small tensors that outlive their chunk would scatter the heap and double the peak.
    assert rows <= use_of("ours sgd, bf16 rows", labels).peak < 1.25 * rows
    # Vectors, their gradient and two moments, fp32.
    assert use_of("naive adam", labels).peak >= 4 * 2 * rows
