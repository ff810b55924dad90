"""The file of predictions: a row group at a time, complete or not at all."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from trainer.errors import ConfigError
from trainer.inference.predict import Prediction, check_format, write_predictions


def predictions(number: int) -> Iterator[Prediction]:
    for place in range(number):
        yield Prediction(str(place), ("a", "b")[: place % 3], (0.5, -0.25)[: place % 3])


def test_each_row_group_holds_as_many_records_as_were_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "answers.parquet"
    assert write_predictions(predictions(11), path, rows=4) == 11
    file = pq.ParquetFile(path)
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [4, 4, 3]
    assert [row | {"probabilities": None} for row in pq.read_table(path).to_pylist()] == [
        {"id": item.id, "labels": list(item.labels), "scores": list(item.scores), "probabilities": None}
        for item in predictions(11)
    ]
    assert pq.read_table(path)["probabilities"][2].as_py() == pytest.approx([0.6224593, 0.4378235])


def test_the_suffix_says_how_answers_are_written(tmp_path: Path) -> None:
    assert write_predictions(predictions(3), tmp_path / "a.jsonl") == 3
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert lines[0] == {"id": "0", "labels": [], "scores": [], "probabilities": []}
    assert lines[2]["labels"] == ["a", "b"]
    assert write_predictions(predictions(3), tmp_path / "a.csv") == 3
    assert (tmp_path / "a.csv").read_text().splitlines() == [
        "id,labels,scores,probabilities",
        "0,,,",
        "1,a,0.5,0.622459",
        "2,a|b,0.5|-0.25,0.622459|0.437823",
    ]
    with pytest.raises(
        ConfigError, match=r"a\.xlsx: must end in \.parquet, \.csv, \.jsonl, which say how it is written"
    ):
        check_format(tmp_path / "a.xlsx")


def test_scores_beyond_all_measure_have_a_probability() -> None:
    assert Prediction("1", ("a", "b"), (1e6, -1e6)).probabilities == pytest.approx((1, 0))


def interrupted() -> Iterator[Prediction]:
    yield from predictions(9)
    raise KeyboardInterrupt


def test_of_a_file_that_could_not_be_completed_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_predictions(interrupted(), tmp_path / "answers.parquet", rows=4)
    assert list(tmp_path.iterdir()) == []
