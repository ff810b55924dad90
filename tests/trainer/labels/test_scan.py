"""The chunked scan against autograd over the whole matrix of logits."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils._python_dispatch import TorchDispatchMode

from trainer.labels import LabelTable, RowGradientSink, RowRange, Sampling, ScanGradient
from trainer.labels.gradient import Rows
from trainer.labels.pairs import LabelPairs
from trainer.labels.scan import ScanResult, ScanTask, scan

NORMALISER = 7.0


@dataclass(frozen=True)
class Problem:
    """Rows first..first + R of a table, queries, and sets of pairs (query, label), some of other ranks.

    told: pairs that a query knows of, none of them positive.
    """

    table: LabelTable
    queries_QE: Tensor
    weights_Q: Tensor
    positives: LabelPairs
    excluded: LabelPairs
    asked: LabelPairs
    told: LabelPairs

    @classmethod
    def draw(cls, queries: int, rows: int, width: int, first: int, seed: int) -> "Problem":
        """Draw float64 numbers; some labels are untrained, some weights 0."""
        torch.manual_seed(seed)
        vectors_RE, biases_R2 = (torch.randn(rows, columns, dtype=torch.float64) for columns in (width, 2))
        table = LabelTable(vectors_RE, biases_R2, torch.rand(rows) < 0.7, RowRange(first, first + rows))
        labels = first + rows + 3
        drawn = [torch.rand(queries, labels) < 0.3 for _ in range(4)]
        drawn[3] &= ~drawn[0]
        return cls(
            table,
            torch.randn(queries, width, dtype=torch.float64),
            (torch.rand(queries) < 0.7).double(),
            *(LabelPairs.ordered(*pairs_QL.nonzero(as_tuple=True)) for pairs_QL in drawn),
        )

    def own(self, pairs: LabelPairs) -> Tensor:
        """Mark the pairs that lie in this rank's rows: bool [Q, R]."""
        first = self.table.range.start
        own_QR = torch.zeros(len(self.queries_QE), len(self.table.range), dtype=torch.bool)
        for query, label in zip(pairs.queries_N.tolist(), pairs.labels_N.tolist(), strict=True):
            if label in range(first, self.table.range.stop):
                own_QR[query, label - first] = True
        return own_QR

    def task(self, sink: RowGradientSink, **settings: Any) -> ScanTask:
        """Learn all there is."""
        return ScanTask(self.positives, self.asked, self.weights_Q, NORMALISER, sink, **settings)

    def scan(self, k: int, chunk: int, **settings: Any) -> tuple[ScanResult, Tensor]:
        """Run the code under test; returns its result and the row gradients that reached the sink (NaN: none did)."""
        gradient_RX = torch.full_like(self.table.rows(slice(None)), torch.nan)

        def sink(rows: Rows, gradient: ScanGradient) -> None:
            worked_out = gradient.multiplied()
            gradient_RX[rows] = torch.cat([worked_out.vectors_NE, worked_out.biases_N2], dim=1)

        task = self.task(sink, **settings)
        return scan(self.table, self.queries_QE, self.excluded, k, chunk, task), gradient_RX

    def by_autograd(
        self, negatives_R: Tensor, positives_R: Tensor, ignored: LabelPairs | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Weigh the negatives and positives of each row; returns the loss and its gradients by queries and rows."""
        rows_RX, queries_QE = self.table.rows(slice(None)).requires_grad_(), self.queries_QE.clone().requires_grad_()
        logits_QR, true_QR = logits(queries_QE, rows_RX), self.own(self.positives).double()
        losses_QR = binary_cross_entropy_with_logits(logits_QR, true_QR, reduction="none")
        weights_QR = torch.where(true_QR > 0, positives_R, negatives_R) * self.weights_Q[:, None] * self.table.trained_R
        if ignored is not None:
            weights_QR = weights_QR * ~self.own(ignored)
        loss = (losses_QR * weights_QR).sum() / NORMALISER
        query_gradient_QE, gradient_RX = torch.autograd.grad(loss, [queries_QE, rows_RX])
        return loss.detach(), query_gradient_QE, gradient_RX


problems = st.builds(
    Problem.draw, st.integers(1, 4), st.integers(1, 9), st.integers(1, 3), st.integers(0, 5), st.integers(0, 10**6)
)


def assert_equal(found: tuple[Tensor, ...], wanted: tuple[Tensor, ...]) -> None:
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)  # float64: what is left is rounding


def logits(queries_QE: Tensor, rows_RX: Tensor) -> Tensor:
    return queries_QE @ rows_RX[:, :-2].T + rows_RX[:, -2]


@given(problems, st.integers(1, 4), st.integers(1, 12))
def test_loss_and_gradients_are_those_of_autograd(problem: Problem, k: int, chunk: int) -> None:
    ones_R = torch.ones(len(problem.table.range))
    found, gradient_RX = problem.scan(k, chunk)
    assert_equal((found.loss, found.query_gradient_QE, gradient_RX), problem.by_autograd(ones_R, ones_R))


@given(problems, st.integers(1, 12))
def test_positives_count_what_their_rows_say(problem: Problem, chunk: int) -> None:
    ones_R, weights_R = torch.ones(len(problem.table.range)), 1 + torch.arange(len(problem.table.range))
    found, gradient_RX = problem.scan(1, chunk, positive_weights_R=weights_R)
    assert_equal((found.loss, found.query_gradient_QE, gradient_RX), problem.by_autograd(ones_R, weights_R))


@given(problems, st.integers(1, 4))
def test_where_negatives_are_left_out_only_the_rows_of_positives_learn(problem: Problem, chunk: int) -> None:
    scale = {0: 0.0, 1: 2.5, 2: 1.0}
    labels = range(problem.table.range.start, problem.table.range.stop)
    negatives_R = torch.tensor([scale[label // chunk % 3] for label in labels])
    found, gradient_RX = problem.scan(1, chunk, negatives=lambda number: scale[number % 3])
    wanted = problem.by_autograd(negatives_R, torch.ones(len(labels)))
    assert_equal((found.loss, found.query_gradient_QE, gradient_RX.nan_to_num()), wanted)
    touched_R = problem.own(problem.positives).any(dim=0) | (negatives_R > 0)
    assert torch.equal(~gradient_RX.isnan().any(dim=1), touched_R)


@given(problems, st.integers(1, 12), st.booleans())
def test_what_a_query_was_told_has_no_part_in_loss_and_gradients(
    problem: Problem,
    chunk: int,
    is_sampled: bool,  # noqa: FBT001
) -> None:
    scale = {0: 0.0, 1: 2.5, 2: 1.0} if is_sampled else dict.fromkeys(range(3), 1.0)
    labels = range(problem.table.range.start, problem.table.range.stop)
    negatives_R = torch.tensor([scale[label // chunk % 3] for label in labels])
    weights_R = 1 + torch.arange(len(labels))
    found, gradient_RX = problem.scan(
        2,
        chunk,
        positive_weights_R=weights_R,
        negatives=lambda number: scale[number % 3],
        ignored=problem.told,
    )
    wanted = problem.by_autograd(negatives_R, weights_R, problem.told)
    assert_equal((found.loss, found.query_gradient_QE, gradient_RX.nan_to_num()), wanted)
    alone = scan(problem.table, problem.queries_QE, problem.excluded, 2, chunk)
    assert torch.equal(found.ids_QK, alone.ids_QK)  # who is a candidate is said apart
    assert found.asked_N is not None
    assert bool(found.asked_N.isfinite().all())


def test_a_share_of_the_chunks_gives_the_whole_gradient_on_average() -> None:
    problem = Problem.draw(3, 8, 2, 0, seed=4)
    ones_R = torch.ones(8)
    wanted, *_ = problem.by_autograd(ones_R, ones_R)
    sampling = Sampling(0.25, seed=1)
    losses = [float(problem.scan(1, 1, negatives=partial(sampling.weight, step))[0].loss) for step in range(2000)]
    error = np.std(losses) / len(losses) ** 0.5
    assert np.mean(losses) == pytest.approx(float(wanted), abs=4 * error)  # four standard errors
    assert error < 0.02 * float(wanted)
    assert {Sampling(1.0).weight(1, chunk) for chunk in range(50)} == {1.0}


@given(problems, st.integers(1, 12))
def test_scores_that_are_asked_for_are_told_in_the_order_of_labels(problem: Problem, chunk: int) -> None:
    found, _ = problem.scan(1, chunk)
    logits_QR = logits(problem.queries_QE, problem.table.rows(slice(None)))
    own = problem.table.range
    pairs = zip(problem.asked.queries_N.tolist(), problem.asked.labels_N.tolist(), strict=True)
    wanted = [float(logits_QR[query, label - own.start]) for query, label in pairs if own.start <= label < own.stop]
    assert found.asked_N is not None
    assert found.asked_N.tolist() == pytest.approx(wanted, abs=1e-12)


def test_equal_scores_go_to_the_lower_label_wherever_chunks_end() -> None:
    rows = 40
    table = LabelTable(torch.zeros(rows, 2), torch.zeros(rows, 2), torch.ones(rows).bool(), RowRange(0, rows))
    table.biases_R2[[35, 7, 20], 0] = 1.0
    nothing = LabelPairs.ordered(*torch.empty(2, 0).long())
    for chunk in (1, 3, 16, 64):
        found = scan(table, torch.ones(1, 2), nothing, 6, chunk)
        assert found.ids_QK.tolist() == [[7, 20, 35, 0, 1, 2]]


@given(problems, st.integers(1, 12), st.integers(1, 12))
def test_the_best_labels_are_those_of_a_full_sort(problem: Problem, k: int, chunk: int) -> None:
    found, _ = problem.scan(k, chunk)
    logits_QR = logits(problem.queries_QE, problem.table.rows(slice(None)))
    hidden_QR = problem.own(problem.excluded)
    for query in range(len(problem.queries_QE)):
        open_labels = [row for row in range(len(problem.table.range)) if not hidden_QR[query, row]]
        best = sorted(open_labels, key=lambda row, query=query: -float(logits_QR[query, row]))[:k]
        missing = k - len(best)
        assert found.ids_QK[query].tolist() == [problem.table.range.start + row for row in best] + [-1] * missing
        expected = [float(logits_QR[query, row]) for row in best] + [-torch.inf] * missing
        assert found.scores_QK[query].tolist() == pytest.approx(expected, abs=1e-12)


def test_ranking_alone_finds_the_same_labels_and_learns_nothing() -> None:
    problem = Problem.draw(3, 9, 2, 4, seed=1)
    learned, _ = problem.scan(4, 5)
    ranked = scan(problem.table, problem.queries_QE, problem.excluded, 4, 5)
    assert torch.equal(ranked.ids_QK, learned.ids_QK)
    assert not ranked.query_gradient_QE.any()


def test_the_sink_may_overwrite_the_rows_of_its_chunk() -> None:
    problem = Problem.draw(3, 9, 2, 4, seed=2)
    kept, _ = problem.scan(4, 2)

    def overwrite(rows: Rows, _gradient: ScanGradient) -> None:
        problem.table.vectors_RE[rows] = torch.nan
        problem.table.biases_R2[rows] = torch.nan

    overwritten = scan(problem.table, problem.queries_QE, problem.excluded, 4, 2, problem.task(overwrite))
    for name in ("scores_QK", "ids_QK", "loss", "query_gradient_QE"):
        assert torch.equal(getattr(kept, name), getattr(overwritten, name))


class LargestNew(TorchDispatchMode):
    """Remembers the size of the largest tensor that was made, views of `old` tensors aside."""

    def __init__(self, *old: Tensor) -> None:
        super().__init__()
        self.old = {tensor.untyped_storage().data_ptr() for tensor in old}
        self.numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor) and tensor.untyped_storage().data_ptr() not in self.old:
                self.numel = max(self.numel, tensor.numel())
        return result


def test_memory_grows_with_the_chunk_and_not_with_the_rows() -> None:
    largest = []
    for rows in (200, 2000):
        problem = Problem.draw(20, rows, 4, 0, seed=3)
        problem = Problem(
            problem.table, problem.queries_QE, problem.weights_Q, *[LabelPairs(*torch.empty(2, 0).long())] * 4
        )
        task = problem.task(lambda *_: None)
        with LargestNew(problem.table.vectors_RE, problem.table.biases_R2, problem.table.trained_R) as watch:
            scan(problem.table, problem.queries_QE, problem.excluded, 8, 50, task)
        largest.append(watch.numel)
    assert largest == [20 * 50] * 2
