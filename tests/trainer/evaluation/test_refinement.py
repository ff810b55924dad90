"""Mask-predict and reading again, against loops over single records, and what is shown in which step."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.trainer.model.tiny import some_slots, some_texts, tiny_model
from trainer.data import State, TextBatch
from trainer.evaluation import mask_predict
from trainer.evaluation.refinement import reread
from trainer.model import LabelMaskModel, Proposal, Slots

MASKED = [[1, 4, 6, 7, 0, 10, 11, 12], [5, 2, 1, 0, 9, 12, 10, 4], [8, 4, 3, 7, 6, 5, -1, -1]]
KNOWN = [[3, 8], [-1, -1], [2, -1]]
CHUNK = 3


@pytest.fixture
def model(tmp_path: Path) -> LabelMaskModel:
    """Build a float64 model whose read-out is not zero."""
    torch.manual_seed(1)
    model = tiny_model(tmp_path, cloze={"chunk": CHUNK}).double()
    assert model.readout is not None
    nn.init.normal_(model.readout.output.weight, std=0.5)
    return model


def proposal(scan_BK: Tensor, masked: Slots, revealed: Slots) -> Proposal:
    nothing = torch.empty(0)
    scores_BK = scan_BK.masked_fill(~masked.mask_BC, -torch.inf)
    return Proposal(
        masked,
        scores_BK,
        nothing,
        revealed,
        recalled=nothing,
        findable=nothing,
        loss=nothing,
        query_gradient_BE=nothing,
    )


def some_proposal(scan_BK: Tensor) -> Proposal:
    return proposal(scan_BK, some_slots(MASKED, State.MASK), some_slots(KNOWN, State.NO))


def picked(record: int, *parts: tuple[Slots, Sequence[int], State]) -> Slots:
    """Put columns of a record's slots side by side, each part in its state."""
    ids = [slots.ids_BC[record, columns] for slots, columns, _ in parts]
    rows = [slots.rows_BCX[record, columns] for slots, columns, _ in parts]
    states = [torch.full((len(columns),), int(state)) for _, columns, state in parts]
    return Slots(*(torch.cat(own)[None] for own in (ids, rows, states)))


def one_by_one(model: LabelMaskModel, batch: TextBatch, asked: Proposal, record: int, steps: int) -> list[float]:
    """State the rule once more for one record: without padding, without empty slots, one chunk at a time."""
    real = batch.mask_BT[record]
    text = model.read(replace(batch, ids_BT=batch.ids_BT[record, real][None], mask_BT=real[real][None]))
    known = [column for column, label in enumerate(KNOWN[record]) if label >= 0]
    columns = range(len(MASKED[record]))
    scores: dict[int, float] = {}
    for step in range(steps + 1):
        yes = sorted((column for column in scores if scores[column] > 0), key=lambda column: -scores[column])
        shown = yes[: len(yes) * step // (steps + 1)]
        revealed = picked(record, (asked.revealed, known, State.NO), (asked.masked, shown, State.YES))
        for first in columns[::CHUNK]:
            chunk = [c for c in columns[first : first + CHUNK] if MASKED[record][c] >= 0 and c not in shown]
            if chunk:
                [logits] = model.fill(text, picked(record, (asked.masked, chunk, State.MASK)), revealed)
                scores |= dict(zip(chunk, (asked.scores_BK[record, chunk] + logits).tolist(), strict=True))
    return [scores.get(column, -torch.inf) for column in columns]


@pytest.mark.parametrize("steps", [0, 1, 2, 4])
def test_a_batch_is_refined_as_each_of_its_records_would_be(model: LabelMaskModel, steps: int) -> None:
    batch, asked = some_texts(), some_proposal(torch.randn(3, 8, dtype=torch.float64))
    with torch.no_grad():
        fill = partial(model.fill, model.read(batch))
        once_BK, scores_BK = mask_predict(fill, asked, 0), mask_predict(fill, asked, steps)
        wanted = [one_by_one(model, batch, asked, record, steps) for record in range(3)]
    # float64: what is left is rounding.
    torch.testing.assert_close(scores_BK, torch.tensor(wanted, dtype=torch.float64), rtol=0, atol=1e-10)
    assert bool(((scores_BK > 0) != (once_BK > 0)).any()) == (steps > 0), "steps that change no answer prove nothing"


def test_without_steps_the_answer_is_one_pass_with_all_masked(model: LabelMaskModel) -> None:
    asked = some_proposal(torch.randn(3, 8, dtype=torch.float64))
    text = model.read(some_texts())
    wanted_BK = asked.scores_BK + model.fill(text, asked.masked, asked.revealed)
    assert torch.equal(mask_predict(partial(model.fill, text), asked, 0), wanted_BK)


def test_a_record_without_a_yes_stays_as_it_was(model: LabelMaskModel) -> None:
    scan_BK = torch.randn(3, 8, dtype=torch.float64)
    scan_BK[1] -= 1000
    with torch.no_grad():
        fill, asked = partial(model.fill, model.read(some_texts())), some_proposal(scan_BK)
        once_BK, refined_BK = mask_predict(fill, asked, 0), mask_predict(fill, asked, 3)
    # float64 again: the others' shown labels are empty slots here, which only lengthen sums.
    torch.testing.assert_close(refined_BK[1], once_BK[1], rtol=0, atol=1e-10)
    assert not torch.allclose(refined_BK[0], once_BK[0])


class Script:
    """A cloze whose answers are prepared, one list of logits a pass; it notes whom it was shown and asked about."""

    def __init__(self, answers: Sequence[Sequence[float]]) -> None:
        self.answers = iter(answers)
        self.shown: list[set[int]] = []
        self.asked: list[set[int]] = []

    def __call__(self, masked: Slots, revealed: Slots) -> Tensor:
        assert set(revealed.states_BC[revealed.mask_BC].tolist()) <= {State.YES}
        self.shown.append(set(revealed.ids_BC[0].tolist()))
        self.asked.append(set(masked.ids_BC[0].tolist()) - {-1})
        return torch.tensor([next(self.answers)])


def follow(script: Script, steps: int) -> list[float]:
    """Refine the labels 0, 1, 2, ... of one record that knows label 9."""
    masked, known = some_slots([[0, 1, 2, 3]], State.MASK), some_slots([[9]], State.YES)
    return mask_predict(script, proposal(torch.zeros(1, 4), masked, known), steps)[0].tolist()


def test_an_answer_that_was_shown_can_be_taken_back() -> None:
    script = Script([[3.0, 2.0, 1.0, -1.0], [7.0, 5.0, 4.0, -1.0], [-2.0, 7.0, 7.0, -3.0]])
    assert follow(script, steps=2) == [-2, 5, 4, -3]
    assert script.shown == [{9}, {9, 0}, {9, 1, 2}]
    assert script.asked == [{0, 1, 2, 3}, {1, 2, 3}, {0, 3}]


@given(st.lists(st.lists(st.integers(-3, 5), min_size=4, max_size=4), min_size=1, max_size=5))
def test_each_step_shows_its_share_of_the_surest_and_asks_about_all_others(answers: list[list[int]]) -> None:
    script, scores = Script([list(map(float, logits)) for logits in answers]), [0] * 4
    found = follow(script, steps=len(answers) - 1)
    for step, (logits, shown, asked) in enumerate(zip(answers, script.shown, script.asked, strict=True)):
        assert 9 in shown
        assert len(shown - {9}) == sum(score > 0 for score in scores) * step // len(answers)
        assert asked == {0, 1, 2, 3} - shown
        assert all(scores[sure] >= scores[other] for sure in shown - {9} for other in asked)
        scores = [scores[label] if label in shown else logits[label] for label in range(4)]
    assert found == scores


def told(record: int, label: int, shown: frozenset[int]) -> float:
    """Make up the logit of a label once others are shown: no two are alike."""
    return random.Random(f"{record} {label} {sorted(shown)}").uniform(-2, 2)  # noqa: S311  # scores, not secrets


def best(record: int, shown: frozenset[int], known: set[int], k: int) -> list[tuple[int, float]]:
    """Rank the labels below 9 that are neither shown nor known; -1 where there is no other."""
    scores = {label: told(record, label, shown) for label in range(9) if label not in {*shown, *known}}
    ranked = sorted(scores.items(), key=lambda pair: -pair[1])[:k]
    return ranked + [(-1, -math.inf)] * (k - len(ranked))


def read_again(record: int, known: set[int], k: int, steps: int, threshold: float, room: int) -> dict[int, float]:
    """State the rule once more for one record."""
    answer = dict(best(record, frozenset(), known, k))
    for step in range(1, steps + 1):
        ranked = sorted(answer, key=lambda label: -answer[label])
        sure = [label for label in ranked if label >= 0 and 1 / (1 + math.exp(-answer[label])) >= threshold]
        shown = sure[: min(math.ceil(len(sure) * step / steps), room)]
        others = dict(best(record, frozenset(shown), known, k))
        whole = {label: answer[label] for label in shown} | others
        answer = {label: whole[label] for label in sorted(whole, key=lambda label: -whole[label])[:k]}
    return {label: score for label, score in answer.items() if label >= 0}


@given(
    st.lists(st.tuples(st.sets(st.integers(0, 8), max_size=8), st.integers(0, 3)), min_size=1, max_size=3),
    st.integers(1, 8),
    st.integers(0, 4),
    st.sampled_from([0.3, 0.5, 0.9]),
)
def test_a_batch_is_read_again_as_each_of_its_records_would_be(
    records: list[tuple[set[int], int]], k: int, steps: int, threshold: float
) -> None:
    passes = []

    def answer(shown_BN: Tensor) -> tuple[Tensor, Tensor]:
        passes.append(shown_BN)
        found = [
            best(record, frozenset(set(shown) - {-1}), known, k)
            for record, (shown, (known, _)) in enumerate(zip(shown_BN.tolist(), records, strict=True))
        ]
        return table(found)

    def table(found: list[list[tuple[int, float]]]) -> tuple[Tensor, Tensor]:
        ids, scores = ([[pair[place] for pair in own] for own in found] for place in (0, 1))
        return torch.tensor(ids), torch.tensor(scores, dtype=torch.float64)

    first = table([best(record, frozenset(), known, k) for record, (known, _) in enumerate(records)])
    room_B = torch.tensor([room for _, room in records])
    ids_BK, scores_BK = reread(answer, first, steps, threshold, room_B)
    assert len(passes) == steps
    for record, (known, room) in enumerate(records):
        wanted = read_again(record, known, k, steps, threshold, room)
        found = {
            label: score
            for label, score in zip(ids_BK[record].tolist(), scores_BK[record].tolist(), strict=True)
            if label >= 0
        }
        assert list(found.items()) == list(wanted.items())  # best first, nothing twice
        assert ids_BK.shape[1] == k
    assert all(bool(((shown_BN >= 0).sum(dim=1) <= room_B).all()) for shown_BN in passes)
