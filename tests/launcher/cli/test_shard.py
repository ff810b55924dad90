"""`lmmtc shard`: what it says of its work, and of bad input."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sharding import Dataset
from tests.launcher.conftest import Lmmtc, Said

GOOD = {"id": "1", "text": "one", "labels": ["a"], "split": "train"}

Shard = Callable[..., Said]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Name a corpus that does not exist yet."""
    return tmp_path / "corpus.jsonl"


@pytest.fixture
def shard(lmmtc: Lmmtc, source: Path, tmp_path: Path, tokenizer_folder: Path) -> Shard:
    """Shard `source` into tmp_path / "shards"."""

    def call(*options: object) -> Said:
        return lmmtc("shard", source, tmp_path / "shards", "--tokenizer", tokenizer_folder, *options)

    return call


def write(source: Path, *lines: object) -> None:
    source.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines), "utf-8")


def test_a_conversion_ends_with_counts_and_the_name_of_the_data(shard: Shard, source: Path, tmp_path: Path) -> None:
    write(source, GOOD, GOOD | {"id": "2", "labels": ["a", "b"]}, GOOD | {"id": "3", "split": "test"})
    said = shard("--dev-share", 0)
    dataset = Dataset.open(tmp_path / "shards")
    assert said.out == (
        "train: 2 records in 1 shards\n"
        "test: 1 records in 1 shards\n"
        "labels: 2; skipped records: 0\n"
        "format: jsonl\n"
        "encoding: utf-8\n"
        "text: text\n"
        "labels: labels\n"
        "separator: '|'\n"
        "vocabulary: 2\n"
        "texts in two splits: 1\n"
        "labels of a record: least 1, median 1, most 2\n"
        "most frequent: a (2), b (1)\n"
        f"{tmp_path / 'shards'}: {dataset.manifest.dataset_id}\n"
    )
    assert said.code == 0


def test_a_missing_source_is_named(shard: Shard, source: Path, tmp_path: Path) -> None:
    said = shard()
    assert (said.code, said.err) == (78, f"DataError: {source}: no such file or folder, and so it holds no records\n")
    assert not list((tmp_path / "shards").glob("*"))


def test_a_malformed_line_is_named_by_file_and_line(shard: Shard, source: Path) -> None:
    write(source, GOOD, '{"id": "2", "text": 5, "labels": []}')
    said = shard()
    assert (said.code, said.err) == (78, "BadRecordError: corpus.jsonl:2: 'text' is 5: must be a string\n")


def test_malformed_lines_are_counted_where_they_may_be_skipped(shard: Shard, source: Path) -> None:
    write(source, GOOD, "not JSON", "{}")
    assert "labels: 1; skipped records: 2\n" in shard("--on-bad-record", "skip").out


def test_a_label_outside_of_the_given_vocabulary_is_named_by_file_and_line(
    shard: Shard, source: Path, tiny_dataset: Path
) -> None:
    write(source, GOOD | {"labels": ["label 0"]}, GOOD | {"id": "2", "labels": ["label 0", "topic 0"]})
    said = shard("--vocabulary", tiny_dataset / "labels.arrow")
    assert (said.code, said.err) == (
        78,
        "UnknownLabelError: corpus.jsonl:2: label 'topic 0': not in the vocabulary that was given\n",
    )


def test_a_folder_without_a_tokenizer_is_named(lmmtc: Lmmtc, source: Path, tmp_path: Path) -> None:
    write(source, GOOD)
    said = lmmtc("shard", source, tmp_path / "shards", "--tokenizer", tmp_path)
    assert said.code == 78
    assert said.err == (
        f"DataError: tokenizer {tmp_path / 'tokenizer.json'}: no such file: "
        "name the folder of a Hugging Face fast tokenizer\n"
    )


def test_shards_are_written_in_the_format_asked_for(shard: Shard, source: Path, tmp_path: Path) -> None:
    write(source, GOOD)
    assert shard("--format", "both").code == 0
    assert Dataset.open(tmp_path / "shards").manifest.kinds == ("arrow", "webdataset")


def test_fields_may_have_other_names(lmmtc: Lmmtc, tmp_path: Path, tokenizer_folder: Path) -> None:
    (tmp_path / "table.csv").write_text("body,codes\none,a; b\ntwo,b\n")
    options = ("--text-field", "body", "--labels-field", "codes", "--label-separator", ";", "--split", "dev")
    said = lmmtc("shard", tmp_path / "table.csv", tmp_path / "shards", "--tokenizer", tokenizer_folder, *options)
    assert said.out.startswith("dev: 2 records in 1 shards\nlabels: 2; skipped records: 0\n")


def test_skipped_records_are_named(shard: Shard, source: Path) -> None:
    write(source, GOOD, "{}")
    assert shard("--on-bad-record", "skip").err.startswith(
        "skipped: corpus.jsonl:2: 'text' is missing: must be a string\n"
    )


def test_a_dask_address_that_is_none_is_refused(shard: Shard, source: Path) -> None:
    write(source, GOOD)
    said = shard("--dask", "nowhere://here")
    assert said.code == 78
    assert said.err.startswith("DataError: --dask nowhere://here: no scheduler answers there: ")


def test_what_looks_wrong_is_said_and_with_strict_is_an_error(shard: Shard, source: Path, tmp_path: Path) -> None:
    write(source, GOOD, GOOD | {"id": "2", "split": "test"}, GOOD | {"id": "3", "split": "dev", "text": ""})
    said = shard("--strict")
    assert said.code == 78
    assert said.err == (
        f"DataError: {source}: 1 of 3 records have an empty text; 1 texts stand in two splits: what is measured "
        "there was learnt by heart; there is one label only: is the separator, or the field, the right one?: "
        "mend that, or leave out --strict\n"
    )
    assert not (tmp_path / "shards" / "manifest.json").exists()
    said = shard()
    assert (said.code, said.err.count("warning: ")) == (0, 3)


def test_dev_is_set_aside_where_there_is_train_and_test(shard: Shard, source: Path, tmp_path: Path) -> None:
    rows = [GOOD | {"id": str(number), "text": str(number), "labels": ["a", "b"]} for number in range(60)]
    write(source, *rows, GOOD | {"id": "x", "split": "test"})
    said = shard("--dev-share", "0.2")
    assert said.code == 0
    rows_of = {
        name: sum(s.rows for s in shards) for name, shards in Dataset.open(tmp_path / "shards").manifest.splits.items()
    }
    assert rows_of["test"] == 1
    assert 4 < rows_of["dev"] < 20
    assert rows_of["train"] + rows_of["dev"] == 60
    assert f"set aside as dev: {rows_of['dev']}\n" in said.out
    counts = Dataset.open(tmp_path / "shards").vocabulary.counts
    assert counts.tolist() == [rows_of["train"]] * 2


def test_an_option_that_is_given_twice_is_refused(shard: Shard, source: Path) -> None:
    write(source, GOOD)
    said = shard("--id-field", "a", "--id-field", "b")
    assert said.code == 78
    assert "--id-field is given 2 times: give it once" in " ".join(said.err.replace("│", " ").split())


def test_options_that_are_repeated_join(lmmtc: Lmmtc, tmp_path: Path, tokenizer_folder: Path) -> None:
    (tmp_path / "table.csv").write_text("title,body,a,b,c\none,more,1,0,1\ntwo,,0,1,0\n")
    words = ("--text-field", "title", "--text-field", "body", "--label-columns", "a,b", "--label-columns", "c")
    said = lmmtc("shard", tmp_path / "table.csv", tmp_path / "shards", "--tokenizer", tokenizer_folder, *words)
    assert said.code == 0, said.err
    assert Dataset.open(tmp_path / "shards").manifest.source["label_columns"] == ["a", "b", "c"]
