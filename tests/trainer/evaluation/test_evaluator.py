"""Rankings of a tiny model over a whole label table, against the model asked by hand."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from sharding import LabelFilter, RecordBatch
from tests.trainer.model.tiny import LABEL_WIDTH, some_texts, tiny_model
from trainer.data import State
from trainer.distributed import ONE_RANK
from trainer.errors import ConfigError
from trainer.evaluation import Ranker, mask_predict
from trainer.labels import LabelRetriever, LabelTable, RowRange
from trainer.model import Slots

NUM_LABELS, SHORTLIST = 11, 5
RECORDS = RecordBatch(0, np.arange(3), np.ones(3, dtype=np.float32), pa.table({}))  # the texts are always the same
GIVEN: list[dict[int, bool]] = [{3: True, 7: False}, {}, {0: True}]


def tiny_ranker(folder: Path, **model: Any) -> Ranker:
    """Rank labels for `some_texts`, with a read-out that is not zero."""
    torch.manual_seed(1)
    dense, batch = tiny_model(folder, **model), some_texts()
    if dense.readout is not None:
        nn.init.normal_(dense.readout.output.weight)
    if dense.context is not None:
        nn.init.normal_(dense.context.output.weight)
    rows_LX = torch.randn(NUM_LABELS, LABEL_WIDTH + 2)
    table = LabelTable(
        rows_LX[:, :-2], rows_LX[:, -2:], torch.ones(NUM_LABELS, dtype=torch.bool), RowRange(0, NUM_LABELS)
    )
    side = LabelRetriever(
        table, NUM_LABELS, SHORTLIST, 4, ONE_RANK, has_slots=dense.has_slots, reads_context=dense.reads_context
    )
    return Ranker(dense, side, lambda _: batch, device=torch.device("cpu"))


@torch.no_grad()
def by_hand(ranker: Ranker, record: int, known: dict[int, bool]) -> dict[int, float]:
    """Score the best labels of one record that are not known."""
    batch, table = ranker.collate(RECORDS), ranker.labels.table
    own = slice(record, record + 1)

    def slots(ids: list[int], states: list[State]) -> Slots:
        ids_1C = torch.tensor([ids], dtype=torch.long)
        return Slots(ids_1C, table.rows(slice(None))[ids_1C], torch.tensor([states], dtype=torch.long))

    revealed = slots(list(known), [State.YES if true else State.NO for true in known.values()])
    text = ranker.model.read(replace(batch, ids_BT=batch.ids_BT[own], mask_BT=batch.mask_BT[own]), revealed)
    scan_L = text.query_BE[0] @ table.vectors_RE.T + table.biases_R2[:, 0]
    best = sorted(set(range(NUM_LABELS)) - known.keys(), key=lambda label: -float(scan_L[label]))[:SHORTLIST]
    if not ranker.model.has_slots:
        return dict(zip(best, scan_L[best].tolist(), strict=True))
    cloze_1K = ranker.model.fill(text, slots(best, [State.MASK] * SHORTLIST), revealed)
    return dict(zip(best, (scan_L[best] + cloze_1K[0]).tolist(), strict=True))


@pytest.mark.parametrize("given", [(), GIVEN])
@pytest.mark.parametrize(
    ("name", "cloze"),
    [
        ("scan+cloze", {}),
        ("scan", {"context": "joint", "slots": "none"}),
        ("scan", {"context": "prefix", "slots": "none"}),
        ("scan+cloze", {"context": "joint"}),
    ],
)
def test_labels_that_are_known_are_context_and_no_answers(
    tmp_path: Path, name: str, cloze: dict[str, Any], given: list[dict[int, bool]]
) -> None:
    ranker = tiny_ranker(tmp_path, cloze=cloze)
    answer, plain = ranker.rank(RECORDS, given)[name], ranker.rank(RECORDS)[name]
    for record, known in enumerate(given or [{}, {}, {}]):
        wanted = by_hand(ranker, record, known)
        assert answer.ids_BK[record].tolist() == sorted(wanted, key=lambda label: -wanted[label])
        # fp32: sums of some dozens of terms of about 1, with padding and without.
        assert answer.scores_BK[record] == pytest.approx(sorted(wanted.values(), reverse=True), rel=1e-4, abs=1e-4)
        assert np.allclose(answer.scores_BK[record], plain.scores_BK[record], atol=1e-3) == (not known)


def test_refining_changes_the_answer_but_neither_its_candidates_nor_the_scan(tmp_path: Path) -> None:
    ranker = tiny_ranker(tmp_path)
    once, refined = ranker.rank(RECORDS, GIVEN), replace(ranker, refine=2).rank(RECORDS, GIVEN)
    assert np.array_equal(once["scan"].scores_BK, refined["scan"].scores_BK)
    assert np.array_equal(np.sort(once["scan+cloze"].ids_BK), np.sort(refined["scan+cloze"].ids_BK))
    batch = ranker.collate(RECORDS).revealing(GIVEN)
    with torch.no_grad():
        text = ranker.model.read(batch)
        proposal, _ = ranker.labels.rank_labels(batch, text.query_BE)
        wanted_BK = mask_predict(partial(ranker.model.fill, text), proposal, 2)
    assert np.array_equal(refined["scan+cloze"].scores_BK, wanted_BK.sort(descending=True).values)
    assert not np.array_equal(refined["scan+cloze"].scores_BK, once["scan+cloze"].scores_BK)


@pytest.mark.parametrize(("refine", "given"), [(0, GIVEN), (1, ())])
def test_without_a_cloze_no_label_is_given_and_no_answer_refined(
    tmp_path: Path, refine: int, given: list[dict[int, bool]]
) -> None:
    ranker = tiny_ranker(tmp_path, cloze={"enabled": False})
    with pytest.raises(ConfigError) as refused:
        replace(ranker, refine=refine).rank(RECORDS, given)
    assert str(refused.value) == (
        "cloze.enabled = false: without context and slots, no label can be given and no answer refined"
    )
    assert list(ranker.rank(RECORDS, [{}, {}, {}])) == ["scan"]


def test_labels_that_are_barred_are_no_candidates_and_what_stands_behind_them_moves_up(tmp_path: Path) -> None:
    ranker = tiny_ranker(tmp_path)
    whole = replace(ranker, labels=replace(ranker.labels, shortlist=NUM_LABELS)).rank(RECORDS)["scan"].ids_BK
    excluded = {"a": whole[0, [0, 2, 3]], "c": whole[2, [4]]}
    records = replace(RECORDS, table=pa.table({"id": ["a", "b", "c"]}))
    found = replace(ranker, excluded=LabelFilter(excluded, {})).rank(records)
    for name, ids_K, found_K, candidates_K in zip(
        "abc", whole, found["scan"].ids_BK, found["scan+cloze"].ids_BK, strict=True
    ):
        left = [label for label in ids_K if label not in excluded.get(name, [])]
        assert found_K.tolist() == left[:SHORTLIST]
        assert set(candidates_K) == set(found_K)


WITH_CONTEXT: dict[str, Any] = {"cloze": {"context": "joint", "slots": "none"}}


def test_more_labels_than_are_read_with_a_text_are_refused_or_left_out(tmp_path: Path) -> None:
    ranker = replace(tiny_ranker(tmp_path, **WITH_CONTEXT), max_context=1)
    with pytest.raises(ConfigError) as refused:
        ranker.rank(RECORDS, GIVEN)
    assert str(refused.value) == (
        "2 labels are given with one text: at most 1 (cloze.max_context); give fewer, or let the surplus be left out "
        "with --drop-surplus"
    )
    found = replace(ranker, drops_surplus=True).rank(RECORDS, GIVEN)["scan"]
    wanted = ranker.rank(RECORDS, [{3: True}, {}, {0: True}])["scan"]
    assert np.array_equal(found.ids_BK, wanted.ids_BK)
    assert np.array_equal(found.scores_BK, wanted.scores_BK)
    slots = replace(tiny_ranker(tmp_path / "slots"), max_context=1)
    assert 7 not in slots.rank(RECORDS, GIVEN)["scan"].ids_BK[0]  # slots read any number


@pytest.mark.parametrize("model", [{}, WITH_CONTEXT])
def test_where_all_labels_are_given_none_is_left_to_rank(tmp_path: Path, model: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^all 11 labels are given with one text: there is none to rank$"):
        tiny_ranker(tmp_path, **model).rank(RECORDS, [dict.fromkeys(range(NUM_LABELS), True), {}, {}])


def test_how_often_answers_are_refined_depends_on_what_is_given_with_the_same_text_alone(tmp_path: Path) -> None:
    ranker = replace(tiny_ranker(tmp_path, **WITH_CONTEXT), max_context=2, refine=2, threshold=0.05)
    alone, beside = ranker.rank(RECORDS), ranker.rank(RECORDS, [{3: True, 7: False}, {}, {0: True}])
    assert list(alone) == ["scan", "refined"]
    # fp32: a label that another text was given is an empty place here, which only lengthens sums.
    np.testing.assert_allclose(beside["refined"].scores_BK[1], alone["refined"].scores_BK[1], rtol=1e-4, atol=1e-4)
    assert not np.allclose(alone["refined"].scores_BK[1], alone["scan"].scores_BK[1], atol=1e-2)
    # Two were given, so none of its own answers was shown beside them.
    np.testing.assert_allclose(beside["refined"].scores_BK[0], beside["scan"].scores_BK[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cloze", [{}, WITH_CONTEXT["cloze"]])
def test_how_many_labels_are_wanted_changes_no_answer(tmp_path: Path, cloze: dict[str, Any]) -> None:
    ranker = replace(tiny_ranker(tmp_path, cloze=cloze), refine=1, threshold=0.05)
    usual = ranker.rank(RECORDS)
    for name, found in replace(ranker, depth=2).rank(RECORDS).items():
        assert np.array_equal(found.ids_BK, usual[name].ids_BK[:, :2])
        assert np.array_equal(found.scores_BK, usual[name].scores_BK[:, :2])
    whole = replace(ranker, depth=NUM_LABELS).rank(RECORDS)
    for found in whole.values():
        assert np.array_equal(np.sort(found.ids_BK), np.tile(np.arange(NUM_LABELS), (3, 1)))
    assert np.array_equal(whole["scan"].ids_BK[:, :SHORTLIST], usual["scan"].ids_BK)


def test_chosen_labels_are_scored_as_the_scan_scores_them(tmp_path: Path) -> None:
    ranker = replace(tiny_ranker(tmp_path, **WITH_CONTEXT), depth=NUM_LABELS)
    scan = ranker.rank(RECORDS)["scan"]
    with ranker.asking(RECORDS) as batch:
        text, _ = ranker.propose(batch)
        ids_BK = torch.from_numpy(scan.ids_BK).clone()
        ids_BK[1, 3:] = -1
        logits_BK = ranker.logits(text.query_BE, ids_BK).numpy()
    wanted_BK = np.where(ids_BK >= 0, scan.scores_BK, -np.inf)
    np.testing.assert_allclose(logits_BK, wanted_BK, rtol=1e-5, atol=1e-5)  # fp32, summed in another order
