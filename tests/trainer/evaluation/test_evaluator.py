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
from trainer.labels import LabelSide, LabelTable, RowRange
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
    rows_LX = torch.randn(NUM_LABELS, LABEL_WIDTH + 2)
    table = LabelTable(
        rows_LX[:, :-2], rows_LX[:, -2:], torch.ones(NUM_LABELS, dtype=torch.bool), RowRange(0, NUM_LABELS)
    )
    return Ranker(
        dense, LabelSide(table, NUM_LABELS, SHORTLIST, 4, ONE_RANK), lambda _: batch, device=torch.device("cpu")
    )


@torch.no_grad()
def by_hand(ranker: Ranker, record: int, known: dict[int, bool]) -> dict[int, float]:
    """Score the best labels of one record that are not known."""
    batch, table = ranker.collate(RECORDS), ranker.labels.table
    own = slice(record, record + 1)
    text = ranker.model.read(replace(batch, ids_BT=batch.ids_BT[own], mask_BT=batch.mask_BT[own]))

    def slots(ids: list[int], states: list[State]) -> Slots:
        ids_1C = torch.tensor([ids], dtype=torch.long)
        return Slots(ids_1C, table.rows(slice(None))[ids_1C], torch.tensor([states], dtype=torch.long))

    scan_L = text.query_BE[0] @ table.vectors_RE.T + table.biases_R2[:, 0]
    best = sorted(set(range(NUM_LABELS)) - known.keys(), key=lambda label: -float(scan_L[label]))[:SHORTLIST]
    revealed = slots(list(known), [State.YES if true else State.NO for true in known.values()])
    cloze_1K = ranker.model.fill(text, slots(best, [State.MASK] * SHORTLIST), revealed)
    return dict(zip(best, (scan_L[best] + cloze_1K[0]).tolist(), strict=True))


@pytest.mark.parametrize("given", [(), GIVEN])
def test_labels_that_are_known_are_context_and_no_answers(tmp_path: Path, given: list[dict[int, bool]]) -> None:
    ranker = tiny_ranker(tmp_path)
    answer = ranker.rank(RECORDS, given)["scan+cloze"]
    for record, known in enumerate(given or [{}, {}, {}]):
        wanted = by_hand(ranker, record, known)
        assert answer.ids_BK[record].tolist() == sorted(wanted, key=lambda label: -wanted[label])
        # fp32: sums of some dozens of terms of about 1, with padding and without.
        assert answer.scores_BK[record] == pytest.approx(sorted(wanted.values(), reverse=True), rel=1e-4, abs=1e-4)


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
    barred = {"a": whole[0, [0, 2, 3]], "c": whole[2, [4]]}
    records = replace(RECORDS, table=pa.table({"id": ["a", "b", "c"]}))
    found = replace(ranker, barred=LabelFilter(barred, {})).rank(records)
    for name, ids_K, found_K, candidates_K in zip(
        "abc", whole, found["scan"].ids_BK, found["scan+cloze"].ids_BK, strict=True
    ):
        left = [label for label in ids_K if label not in barred.get(name, [])]
        assert found_K.tolist() == left[:SHORTLIST]
        assert set(candidates_K) == set(found_K)
