"""What a run leaves behind."""

from pathlib import Path

import numpy as np
import pytest

from sharding import ChunkPlan, DataError, Dataset
from tests.trainer.parts import tiny_config
from trainer.run_folder import RunFolder


def created(folder: Path, dataset: Path, plan: ChunkPlan | None) -> RunFolder:
    config = tiny_config(dataset, Path("encoder"), folder)
    RunFolder(folder).create(config, Dataset.open(dataset), "{}", plan)
    return RunFolder(folder)


def test_everything_is_read_back_without_the_data_set(tmp_path: Path, tiny_dataset: Path) -> None:
    folder = created(tmp_path, tiny_dataset, ChunkPlan(np.array([2, 0, 1]), 2))
    plan, dataset = folder.plan(), Dataset.open(tiny_dataset)
    assert plan is not None
    assert (plan.order.tolist(), plan.size) == ([2, 0, 1], 2)
    assert folder.config() == tiny_config(tiny_dataset, Path("encoder"), tmp_path)
    assert folder.encoder_config() == "{}"
    assert folder.vocabulary().names.to_pylist() == dataset.vocabulary.names.to_pylist()
    assert folder.tokenizer().spec == dataset.manifest.tokenizer
    assert folder.train_records() == 160


def test_a_run_in_id_order_has_no_plan_not_even_that_of_an_earlier_start(tmp_path: Path, tiny_dataset: Path) -> None:
    assert created(tmp_path / "new", tiny_dataset, None).plan() is None
    created(tmp_path / "again", tiny_dataset, ChunkPlan(np.array([2, 0, 1]), 2))
    assert created(tmp_path / "again", tiny_dataset, None).plan() is None


def test_a_damaged_plan_is_named(tmp_path: Path, tiny_dataset: Path) -> None:
    folder = created(tmp_path, tiny_dataset, None)
    (tmp_path / "model" / "plan.arrow").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"chunk plan .*plan\.arrow: cannot be read"):
        folder.plan()
