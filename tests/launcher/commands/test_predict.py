"""`lmmtc predict`: a table for texts, a Parquet file for files, and what it refuses."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.launcher.conftest import Lmmtc

pytestmark = pytest.mark.ranks

USAGE = "ConfigError: lmmtc predict: give --text, or --input together with --output\n"


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """Write 70 texts, more than two batches; every other one comes with labels, of which one is unknown."""
    path = tmp_path / "questions.jsonl"
    records = [
        {"id": f"q{number}", "text": f"topic {number % 44}"} | ({"labels": ["label 1", "new"]} if number % 2 else {})
        for number in range(70)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_each_text_gets_its_own_table_with_the_most_likely_label_first(lmmtc: Lmmtc, trained: Path) -> None:
    said = lmmtc("predict", trained, "--text", "topic 3", "--text", "topic 4 and topic 9", "--top", 2)
    assert said.code == 0, said.err
    first, second = said.out.split("topic 4 and topic 9")
    assert first.startswith("topic 3")
    for table in (first, second):
        best, second_best = (float(probability) for probability in re.findall(r"│ (\S+) +│ label \d+ ", table))
        assert 1 >= best >= second_best >= 0


def test_a_file_becomes_a_file_with_scores_in_order(
    lmmtc: Lmmtc, trained: Path, questions: Path, tmp_path: Path
) -> None:
    said = lmmtc("predict", trained, "--input", questions, "--output", tmp_path / "answers.parquet", "--top", 4)
    assert (said.code, said.out) == (0, f"{tmp_path / 'answers.parquet'}: 70 records\n")
    answers = pq.read_table(tmp_path / "answers.parquet").to_pylist()
    assert [answer["id"] for answer in answers] == [f"q{number}" for number in range(70)]
    for answer in answers:
        assert len(set(answer["labels"])) == len(answer["scores"]) == 4
        assert answer["scores"] == sorted(answer["scores"], reverse=True)
        assert all(label.startswith("label ") for label in answer["labels"])


def test_the_same_text_has_the_same_answer_in_a_file_and_on_the_screen(
    lmmtc: Lmmtc, trained: Path, questions: Path, tmp_path: Path
) -> None:
    lmmtc("predict", trained, "--input", questions, "--output", tmp_path / "answers.parquet", "--top", 1)
    [best] = pq.read_table(tmp_path / "answers.parquet").to_pylist()[12]["labels"]
    assert f" {best} " in lmmtc("predict", trained, "--text", "topic 12", "--top", 1).out


def test_a_bad_line_leaves_no_file_behind(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"id": "1", "text": "a"}\n{"id": "2"}\n', encoding="utf-8")
    said = lmmtc("predict", trained, "--input", tmp_path / "bad.jsonl", "--output", tmp_path / "answers.parquet")
    assert (said.code, said.err) == (78, "BadRecordError: bad.jsonl:2: 'text' is missing: must be a string\n")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.jsonl"]


def test_more_labels_than_the_run_ranks_are_refused(lmmtc: Lmmtc, trained: Path) -> None:
    said = lmmtc("predict", trained, "--text", "a", "--top", 13)
    assert (said.code, said.err) == (78, "ConfigError: --top 13: this run ranks only 12 labels (cloze.shortlist)\n")


@pytest.mark.parametrize(
    "options",
    [(), ("--text", "a", "--input", "b", "--output", "c"), ("--input", "b"), ("--text", "a", "--output", "c")],
)
def test_without_one_clear_source_nothing_is_done(lmmtc: Lmmtc, tmp_path: Path, options: tuple[str, ...]) -> None:
    said = lmmtc("predict", tmp_path, *options)
    assert (said.code, said.err) == (78, USAGE)
