"""Which labels are asked about, where their prior stands, and what is refused."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sharding import ChunkPlan, Dataset, plan_chunks
from tests.trainer.components import tiny_config
from trainer.config import Config
from trainer.distributed import ONE_RANK
from trainer.errors import ConfigError
from trainer.labels import AllSlots, LabelRetriever, LabelTable, RowRange, build_candidates, new_table, slot_plan

COUNTS = np.array([90, 40, 3, 1, 0])
PRIOR = [math.log(90 / 11), math.log(40 / 61)]  # of the first two labels, in 100 records
NO_ROWS = LabelTable(torch.empty(0, 4), torch.empty(0, 2), torch.empty(0, dtype=torch.bool), RowRange(0, 0))


def config(label_width: int | None = 4, **cloze: Any) -> Config:
    return tiny_config(Path("data"), Path("encoder"), model={"label_width": label_width}, cloze=cloze)


def rows_of(settings: Config) -> torch.Tensor:
    return new_table(settings, COUNTS, 100, 8, RowRange(0, len(COUNTS))).rows(slice(None))


def test_a_scan_proposes_unless_all_labels_have_a_slot() -> None:
    assert isinstance(build_candidates(config(), NO_ROWS, 48, ONE_RANK), LabelRetriever)
    assert isinstance(build_candidates(config(slots="all"), NO_ROWS, 48, ONE_RANK), AllSlots)


@pytest.mark.parametrize("plan", [None, ChunkPlan(np.array([2, 0, 1]), 2)])
def test_slots_of_all_labels_stand_in_the_order_of_the_plan_or_else_of_their_ids(plan: ChunkPlan | None) -> None:
    side = build_candidates(config(slots="all", shortlist=3), NO_ROWS, 3, ONE_RANK, plan)
    assert isinstance(side, AllSlots)
    assert side.plan.order.tolist() == ([0, 1, 2] if plan is None else [2, 0, 1])


def test_labels_that_occur_together_share_a_chunk_where_all_have_slots(tiny_dataset: Path) -> None:
    dataset = Dataset.open(tiny_dataset)
    plan = slot_plan(config(slots="all", chunk=7), dataset)
    assert plan is not None
    assert plan.order.tolist() == plan_chunks(dataset, "train", 7).order.tolist()
    assert slot_plan(config(slots="all", chunk=47), dataset) is not None


@pytest.mark.parametrize(
    "cloze",
    [
        pytest.param({"slots": "all", "chunk": 7, "plan": "id"}, id="id order is asked for"),
        pytest.param({"slots": "all", "chunk": 48}, id="one chunk holds all"),
        pytest.param({"slots": "all", "chunk": 7, "attention": "joint"}, id="order means positions"),
        pytest.param({"slots": "shortlist", "chunk": 7}, id="the scan orders slots"),
    ],
)
def test_no_record_is_read_for_a_plan_without_use(
    tiny_dataset: Path, cloze: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.labels.candidates.plan_chunks", unasked)
    assert slot_plan(config(**cloze), Dataset.open(tiny_dataset)) is None


def test_no_record_is_read_for_the_plan_of_too_many_labels(tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.labels.candidates.plan_chunks", unasked)
    monkeypatch.setattr("trainer.labels.candidates.MOST_LABELS", 47)
    assert slot_plan(config(slots="all", chunk=7), Dataset.open(tiny_dataset)) is None


def unasked(*_: object) -> None:
    raise AssertionError("reads all training records")


@pytest.mark.parametrize("slots", ["shortlist", "all"])
def test_a_shortlist_longer_than_the_labels_holds_all_and_says_so(slots: str) -> None:
    assert build_candidates(config(slots=slots, shortlist=48), NO_ROWS, 48, ONE_RANK).shortlist == 48
    with pytest.warns(UserWarning, match=r"^cloze\.shortlist = 49: there are only 48 labels, and all are on it$"):
        assert build_candidates(config(slots=slots, shortlist=49), NO_ROWS, 48, ONE_RANK).shortlist == 48


def test_slots_for_too_many_labels_are_refused() -> None:
    build_candidates(config(slots="all"), NO_ROWS, 32_768, ONE_RANK)
    build_candidates(config(), NO_ROWS, 32_769, ONE_RANK)
    with pytest.raises(ConfigError) as caught:
        build_candidates(config(slots="all"), NO_ROWS, 32_769, ONE_RANK)
    assert str(caught.value) == (
        "cloze.slots = 'all': the data set has 32769 labels, and every step would move all their rows to every rank; "
        "at most 32768: use 'shortlist'"
    )


def test_the_prior_is_a_bias_of_the_scan_or_of_the_cloze_where_nothing_is_scanned() -> None:
    scanned, all_slots = rows_of(config()), rows_of(config(slots="all"))
    assert scanned[:2, -2].tolist() == pytest.approx(PRIOR)
    assert not scanned[:, -1].any()
    assert all_slots[:2, -1].tolist() == pytest.approx(PRIOR)
    assert not all_slots[:, -2].any()
    assert torch.equal(scanned[:, :-2], all_slots[:, :-2])


def test_rows_are_as_wide_as_the_encoder_unless_told_and_twice_for_start_and_end() -> None:
    three = {"slots": "all", "attention": "joint", "label_tokens": 3}
    widths = [rows_of(settings).shape[1] - 2 for settings in (config(None), config(), config(**three))]
    assert widths == [8, 4, 8]
