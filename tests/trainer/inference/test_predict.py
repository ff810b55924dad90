"""The file of predictions: a row group at a time, complete or not at all."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from trainer.inference.predict import Prediction, write_predictions


def predictions(number: int) -> Iterator[Prediction]:
    for place in range(number):
        yield Prediction(str(place), ("a", "b")[: place % 3], (0.5, -0.25)[: place % 3])


def test_each_row_group_holds_as_many_records_as_were_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "answers.parquet"
    assert write_predictions(predictions(11), path, rows=4) == 11
    file = pq.ParquetFile(path)
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [4, 4, 3]
    wanted = [{"id": item.id, "labels": list(item.labels), "scores": list(item.scores)} for item in predictions(11)]
    assert pq.read_table(path).to_pylist() == wanted


def interrupted() -> Iterator[Prediction]:
    yield from predictions(9)
    raise KeyboardInterrupt


def test_of_a_file_that_could_not_be_completed_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_predictions(interrupted(), tmp_path / "answers.parquet", rows=4)
    assert list(tmp_path.iterdir()) == []
