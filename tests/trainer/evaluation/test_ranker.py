"""What a label that is given as NO does to the answer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sharding import COLUMNS, Dataset, sequential
from trainer.inference import TrainedModel

pytestmark = pytest.mark.ranks

DENIED = 3


def test_no_is_read_where_training_showed_it_and_only_leaves_the_label_out_elsewhere(
    context_run: Path, tiny_dataset: Path
) -> None:
    model = TrainedModel.load(context_run, depth=48)
    assert model.ranker.reads_no, "this run was shown labels as NO"
    records = next(sequential(Dataset.open(tiny_dataset).split("dev"), batch=8, columns=(*COLUMNS, "id")))
    alone = model.ranker.rank(records)["scan"]
    reading, leaving = (
        replace(model.ranker, reads_no=reads).rank(records, [{DENIED: False}] * 8)["scan"] for reads in (True, False)
    )
    for record in range(8):
        others = alone.ids_BK[record] != DENIED
        assert leaving.ids_BK[record][:-1].tolist() == alone.ids_BK[record][others].tolist()
        # fp32: the same products in a batch of another width.
        np.testing.assert_allclose(leaving.scores_BK[record][:-1], alone.scores_BK[record][others], rtol=1e-5)
    assert DENIED not in reading.ids_BK
    assert np.abs(np.sort(reading.scores_BK)[:, 1:] - np.sort(leaving.scores_BK)[:, 1:]).max() > 1e-3


def test_yes_is_read_in_any_case(context_run: Path, tiny_dataset: Path) -> None:
    model = TrainedModel.load(context_run, depth=48)
    records = next(sequential(Dataset.open(tiny_dataset).split("dev"), batch=8, columns=(*COLUMNS, "id")))
    found = [
        replace(model.ranker, reads_no=reads).rank(records, [{DENIED: True}] * 8)["scan"] for reads in (True, False)
    ]
    assert np.array_equal(found[0].scores_BK, found[1].scores_BK)
