"""`lmmtc predict`: a table for texts, a Parquet file for files, and what it refuses."""

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sharding import Record
from tests.launcher.conftest import Lmmtc, copy_with
from tests.programs import PROGRAMS, end_of, started
from trainer.distributed import ONE_RANK, Ranks
from trainer.inference.loading import TrainedModel
from trainer.inference.predict import Prediction, predict
from trainer.run.folder import RunFolder

OnRanks = Callable[..., list[Any]]

pytestmark = pytest.mark.ranks

PROBABILITY = r"│ (\S+) +│ (label \d+) "
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
        best, second_best = (float(probability) for probability, _ in re.findall(PROBABILITY, table))
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


def predictions(ranks: Ranks, run: Path, batch: int) -> tuple[int, list[Prediction]]:
    model = TrainedModel.load(run, ranks=ranks)
    given = ((("label 1", True),), (), (("label 2", False), ("label 3", True)))
    records = [Record(str(number), f"topic {number % 44}", (), given=given[number % 3]) for number in range(23)]
    return len(model.ranker.labels.table.range), list(predict(model, records, 5, batch))


@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize("slots", ["shortlist", "all"])
def test_ranks_share_labels_and_records_and_the_first_has_all_answers_in_order(
    on_ranks: OnRanks, trained: Path, tmp_path: Path, slots: str, world_size: int
) -> None:
    run = copy_with(trained, tmp_path / "run", "cloze", "slots", value=slots)
    rows, wanted = predictions(ONE_RANK, run, 32)
    assert (rows, len(wanted)) == (48, 23)
    found = on_ranks(predictions, world_size, run, 3)  # 23 records: the last part is short, or one rank's share is
    assert [rows for rows, _ in found] == [48 // world_size] * world_size
    assert [answers for _, answers in found[1:]] == [[]] * (world_size - 1)
    for answer, expected in zip(found[0][1], wanted, strict=True):
        assert (answer.id, answer.labels) == (expected.id, expected.labels)
        assert answer.scores == pytest.approx(expected.scores, rel=1e-5, abs=1e-5)  # fp32, other batches


def test_a_record_is_not_proposed_the_label_of_its_own_name(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    excluding = copy_with(trained, tmp_path / "barring", "data", "bar_own_label", value=True)
    questions = tmp_path / "own.jsonl"
    questions.write_text(json.dumps({"id": "label 0", "text": "topic 0"}) + "\n", encoding="utf-8")
    found = []
    for run in (trained, excluding):
        assert lmmtc("predict", run, "--input", questions, "--output", tmp_path / "own.parquet", "--top", 12).code == 0
        found.append("label 0" in pq.read_table(tmp_path / "own.parquet").to_pylist()[0]["labels"])
    assert found == [True, False]


def test_the_same_text_has_the_same_answer_in_a_file_and_on_the_screen(
    lmmtc: Lmmtc, trained: Path, questions: Path, tmp_path: Path
) -> None:
    lmmtc("predict", trained, "--input", questions, "--output", tmp_path / "answers.parquet", "--top", 1)
    [best] = pq.read_table(tmp_path / "answers.parquet").to_pylist()[12]["labels"]
    assert f" {best} " in lmmtc("predict", trained, "--text", "topic 12", "--top", 1).out


def test_a_file_in_a_folder_that_is_not_there_makes_the_folder(
    lmmtc: Lmmtc, trained: Path, questions: Path, tmp_path: Path
) -> None:
    output = tmp_path / "new" / "deep" / "answers.parquet"
    assert lmmtc("predict", trained, "--input", questions, "--output", output).code == 0
    assert [path.name for path in output.parent.iterdir()] == [output.name]


@pytest.mark.parametrize(
    ("output", "why"),
    [("folder", "is a folder"), ("file/answers", "File exists"), ("file/deep/answers", "Not a directory")],
)
def test_what_cannot_become_a_file_is_refused_before_anything_is_read(
    lmmtc: Lmmtc, tmp_path: Path, output: str, why: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    said = lmmtc("predict", tmp_path / "no run", "--input", "no.jsonl", "--output", tmp_path / output)
    rule = "must be a file, in a folder that can be written"
    assert (said.code, said.err) == (78, f"ConfigError: --output {tmp_path / output}: {why}: {rule}\n")


def test_a_stop_leaves_no_file_behind_and_may_be_started_again(trained: Path, tmp_path: Path) -> None:
    questions, output = tmp_path / "questions.jsonl", tmp_path / "answers" / "new.parquet"
    questions.write_text((json.dumps({"id": "q", "text": "topic 1"}) + "\n") * 300_000, encoding="utf-8")
    with started(PROGRAMS / "lmmtc", "predict", trained, "--input", questions, "--output", output) as running:
        while not (output.parent.is_dir() and any("new.parquet" in path.name for path in output.parent.iterdir())):
            assert running.poll() is None, running.communicate()
            time.sleep(0.01)
        running.terminate()
        said = end_of(running, code=75)
    assert said.err.endswith("SIGTERM: ended before all was done: start again\n")
    assert list(output.parent.iterdir()) == []


def test_a_bad_line_leaves_no_file_behind(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"id": "1", "text": "a"}\n{"id": "2"}\n', encoding="utf-8")
    said = lmmtc("predict", trained, "--input", tmp_path / "bad.jsonl", "--output", tmp_path / "answers.parquet")
    assert (said.code, said.err) == (78, "BadRecordError: bad.jsonl:2: 'text' is missing: must be a string\n")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.jsonl"]


def test_filtered_labels_are_no_answers_of_their_record(
    lmmtc: Lmmtc, trained: Path, questions: Path, tmp_path: Path
) -> None:
    words = ("predict", trained, "--input", questions, "--output")
    assert lmmtc(*words, tmp_path / "before.parquet", "--top", 6).code == 0
    before = pq.read_table(tmp_path / "before.parquet").to_pylist()
    pairs = {answer["id"]: {answer["labels"][0], answer["labels"][3]} for answer in before[::2]}
    lines = [f"{record}\t{label}\n" for record, labels in pairs.items() for label in labels]
    (tmp_path / "pairs.tsv").write_text("".join(lines), encoding="utf-8")
    said = lmmtc(*words, tmp_path / "after.parquet", "--top", 4, "--filter", tmp_path / "pairs.tsv")
    assert said.code == 0, said.err
    after = pq.read_table(tmp_path / "after.parquet").to_pylist()
    for answer, known in zip(after, before, strict=True):
        out = pairs.get(answer["id"], set())
        assert len(answer["labels"]) == 4
        assert not out & set(answer["labels"])
        if not out:
            assert answer["labels"] == known["labels"][:4]


def test_a_filter_for_a_record_that_is_not_there_is_refused(
    lmmtc: Lmmtc, trained: Path, questions: Path, tmp_path: Path
) -> None:
    (tmp_path / "pairs.tsv").write_text("q1\tlabel 1\nq70\tlabel 1\n", encoding="utf-8")
    output = tmp_path / "answers.parquet"
    said = lmmtc("predict", trained, "--input", questions, "--output", output, "--filter", tmp_path / "pairs.tsv")
    message = f"DataError: pairs.tsv:2: record 'q70': {questions} has no record of this id\n"
    assert (said.code, said.err) == (78, message)
    assert not output.exists()


def test_a_filter_names_records_of_a_file(lmmtc: Lmmtc, tmp_path: Path) -> None:
    said = lmmtc("predict", tmp_path, "--text", "a", "--filter", "pairs.tsv")
    message = "ConfigError: lmmtc predict: --filter goes with --input: it names records by their id\n"
    assert (said.code, said.err) == (78, message)


def test_more_labels_than_the_run_has_are_refused(lmmtc: Lmmtc, trained: Path) -> None:
    said = lmmtc("predict", trained, "--text", "a", "--top", 49)
    assert (said.code, said.err) == (78, "ConfigError: --top 49: this run has only 48 labels\n")


def test_more_labels_than_have_slots_are_ranked_on_request(lmmtc: Lmmtc, trained: Path) -> None:
    answers = {}
    for top in (3, 12, 40, 48):
        said = lmmtc("predict", trained, "--text", "topic 3 and topic 9", "--top", top)
        assert said.code == 0, said.err
        answers[top] = [label for _, label in re.findall(PROBABILITY, said.out)]
        assert len(set(answers[top])) == top
    assert answers[3] == answers[12][:3]  # slots are asked about the whole shortlist in any case
    assert answers[40] == answers[48][:40]


def without(run: Path, folder: Path, *keys: str) -> Path:
    """Copy a run, and leave out of its configuration what earlier versions did not know."""
    shutil.copytree(run, folder)
    config = json.loads((folder / "config.json").read_text())
    for key in keys:
        section, _, name = key.partition(".")
        del (config[section] if name else config)[name or section]
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_run_of_an_earlier_version_reads_no_context_and_answers_as_it_did(
    lmmtc: Lmmtc, trained: Path, tmp_path: Path
) -> None:
    new = [f"cloze.{name}" for name in ("context", "max_context", "nearly_all", "denied", "without_text")]
    old = without(trained, tmp_path / "old", "neighbours", *new)
    config = RunFolder(old).config()
    assert (config.cloze.context, config.cloze.slots) == ("none", "shortlist")
    words = ("--text", "topic 3 and topic 9", "--given", "label 0=yes", "--top", 12)
    said = [lmmtc("predict", run, *words) for run in (trained, old)]
    assert said[0].out == said[1].out != ""
    assert [each.code for each in said] == [0, 0]


@pytest.mark.parametrize(
    "options",
    [(), ("--text", "a", "--input", "b", "--output", "c"), ("--input", "b"), ("--text", "a", "--output", "c")],
)
def test_without_one_clear_source_nothing_is_done(lmmtc: Lmmtc, tmp_path: Path, options: tuple[str, ...]) -> None:
    said = lmmtc("predict", tmp_path, *options)
    assert (said.code, said.err) == (78, USAGE)


def test_a_table_is_answered_as_a_table(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "questions.csv").write_text("Title,Body\ntopic 3,topic 4\n,topic 7\ntopic 9,\n")
    words = ("--input", tmp_path / "questions.csv", "--text-field", "title", "--text-field", "body", "--top", 2)
    assert lmmtc("predict", trained, *words, "--output", tmp_path / "answers.csv").code == 0
    header, *rows = (tmp_path / "answers.csv").read_text().splitlines()
    assert header == "id,labels,scores,probabilities"
    assert [row.partition(",")[0] for row in rows] == ["questions:0", "questions:1", "questions:2"]
    assert all(len(field.split("|")) == 2 for row in rows for field in row.split(",")[1:])
