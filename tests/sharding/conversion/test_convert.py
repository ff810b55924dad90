"""From a source to a published data set."""

from collections.abc import Callable, Iterable
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sharding import (
    BadRecordError,
    DataError,
    Dataset,
    Manifest,
    TextTokenizer,
    UnknownLabelError,
    Vocabulary,
    convert,
    verify,
    xxh3_128,
)

Write = Callable[[Iterable[Any]], Path]


def records(split: str = "train", count: int = 25) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{split}-{number}",
            "split": split,
            "text": f"text {number}",
            "labels": [f"{split[0]}{number % 4}", "all"],
        }
        for number in range(count)
    ]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_record_arrives_with_its_tokens_and_labels(
    write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path
) -> None:
    source = [*records("train"), *records("test", 7)]
    manifest = convert(write_jsonl(source), tmp_path / "out", tokenizer_folder, shard_rows=10, max_tokens=2)
    dataset = Dataset.open(tmp_path / "out")
    assert dataset.manifest == manifest
    assert verify(dataset.path).problems == ()
    assert [shard.rows for shard in manifest.splits["train"]] == [10, 10, 5]
    tokenizer = TextTokenizer.from_folder(tokenizer_folder)
    arrived = {}
    for split in manifest.splits:
        rows = dataset.split(split)
        for row in rows.take(np.arange(rows.num_records), ["id", "text", "labels", "tokens"]).to_pylist():
            arrived[row["id"]] = split, row["text"], dataset.vocabulary.names_of(row["labels"]), row["tokens"]
    assert arrived == {
        record["id"]: (
            record["split"],
            record["text"],
            ["all", record["labels"][0]],  # sorted by id
            tokenizer.encode_batch([record["text"]], 2)[0],
        )
        for record in source
    }


def test_labels_are_ranked_by_training_records_and_get_their_texts(
    write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path
) -> None:
    texts = tmp_path / "labels.tsv"
    texts.write_text("all\tevery record\nnowhere\tnothing\n")
    convert(
        write_jsonl([*records("train", 5), *records("dev", 1)]), tmp_path / "out", tokenizer_folder, label_texts=texts
    )
    vocabulary = Dataset.open(tmp_path / "out").vocabulary
    assert vocabulary.names.to_pylist() == ["all", "t0", "t1", "t2", "t3", "d0"]
    assert vocabulary.counts.tolist() == [5, 2, 1, 1, 1, 0]
    assert vocabulary.texts.to_pylist() == ["every record", None, None, None, None, None]


def test_the_same_source_gives_the_same_bytes(write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path) -> None:
    source = write_jsonl(records())
    first = convert(source, tmp_path / "first", tokenizer_folder, shard_rows=10)
    second = convert(source, tmp_path / "second", tokenizer_folder, shard_rows=10)
    assert first.dataset_id == second.dataset_id
    assert files(tmp_path / "first") == files(tmp_path / "second")
    assert convert(source, tmp_path / "third", tokenizer_folder, shard_rows=10, seed=1).dataset_id != first.dataset_id


def test_rows_are_shuffled_within_their_split(write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path) -> None:
    source = records(count=200)
    convert(write_jsonl(source), tmp_path / "out", tokenizer_folder)
    arrived = Dataset.open(tmp_path / "out").split("train").take(np.arange(200), ["id"])["id"].to_pylist()
    places = np.array([int(name.removeprefix("train-")) for name in arrived])
    assert abs(np.corrcoef(places, np.arange(200))[0, 1]) < 3 / np.sqrt(200)


def test_shards_are_named_by_number_and_content(write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path) -> None:
    manifest = convert(write_jsonl(records()), tmp_path / "out", tokenizer_folder, shard_rows=20)
    for number, shard in enumerate(manifest.splits["train"]):
        path = shard.files["arrow"].path
        assert path == f"train/{number:05}-{xxh3_128(tmp_path / 'out' / path)[:16]}.arrow"


def test_converting_again_is_fine_but_nothing_else_takes_the_place(
    write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path
) -> None:
    out = tmp_path / "out"
    manifest = convert(write_jsonl(records()), out, tokenizer_folder)
    published = files(out)
    assert convert(write_jsonl(records()), out, tokenizer_folder) == manifest
    with pytest.raises(DataError, match=f"holds another data set already, {manifest.dataset_id}: choose another"):
        convert(write_jsonl(records(count=26)), out, tokenizer_folder)
    assert files(out) == published
    assert {path.name for path in out.iterdir()} == {"labels.arrow", "manifest.json", "tokenizer", "train"}


def test_a_folder_that_holds_other_tokens_is_refused_before_the_source_is_read(
    write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path
) -> None:
    convert(write_jsonl(records()), tmp_path / "out", tokenizer_folder)
    told: list[tuple[int, int, str]] = []
    with pytest.raises(DataError, match="holds another data set already"):
        convert(
            write_jsonl(records()),
            tmp_path / "out",
            tokenizer_folder,
            max_tokens=3,
            progress=lambda *news: told.append(news),
        )
    assert told == []


def test_a_failed_conversion_publishes_nothing_and_the_next_one_goes_on(
    write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Manifest, "save", fail)
    with pytest.raises(DataError, match="out: no space left on device: finished parts are kept: make room"):
        convert(write_jsonl(records()), tmp_path / "out", tokenizer_folder)
    monkeypatch.undo()
    with pytest.raises(DataError, match="no such file"):
        Dataset.open(tmp_path / "out")
    convert(write_jsonl(records()), tmp_path / "out", tokenizer_folder)
    assert verify(tmp_path / "out").problems == ()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "labels.arrow",
        "manifest.json",
        "tokenizer",
        "train",
    }


def test_bad_records_follow_the_policy(write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path) -> None:
    source = write_jsonl([*records(), {"id": "bad"}])
    with pytest.raises(BadRecordError, match=r"corpus\.jsonl:26: 'text' is missing"):
        convert(source, tmp_path / "out", tokenizer_folder)
    manifest = convert(source, tmp_path / "out", tokenizer_folder, on_bad_record="skip")
    assert manifest.skipped_records == 1
    assert sum(shard.rows for shard in manifest.splits["train"]) == 25


@pytest.mark.parametrize(("split", "count_of_all"), [("test", 9), ("train", 3)])
def test_a_given_vocabulary_keeps_its_ids_and_is_recounted_only_by_training_records(
    write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path, split: str, count_of_all: int
) -> None:
    names = ["all", "t0", "t1", "t2", "elsewhere"]
    Vocabulary.build(dict(zip(names, (9, 8, 7, 6, 5), strict=True)), {"all": "a text"}).save(tmp_path / "given.arrow")
    convert(write_jsonl(records(split, 3)), tmp_path / "out", tokenizer_folder, vocabulary=tmp_path / "given.arrow")
    vocabulary = Dataset.open(tmp_path / "out").vocabulary
    assert vocabulary.names.to_pylist() == names
    assert vocabulary.texts.to_pylist()[0] == "a text"
    assert vocabulary.counts[0] == count_of_all


def test_a_given_vocabulary_takes_no_other_texts(write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path) -> None:
    with pytest.raises(DataError, match="give one of the two"):
        convert(
            write_jsonl(records()),
            tmp_path / "out",
            tokenizer_folder,
            vocabulary=tmp_path / "labels.arrow",
            label_texts=tmp_path / "labels.tsv",
        )


def test_a_given_vocabulary_with_a_label_twice_is_refused(
    write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path
) -> None:
    names = pa.array(["all", "t0", "t1", "t0"])
    Vocabulary(names, pa.nulls(4, pa.string()), np.zeros(4, dtype=np.int64)).save(tmp_path / "given.arrow")
    with pytest.raises(DataError, match=r"given\.arrow: label 't0' is there twice: names must differ"):
        convert(write_jsonl(records()), tmp_path / "out", tokenizer_folder, vocabulary=tmp_path / "given.arrow")


def test_progress_is_told_from_the_beginning_to_the_end(
    write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path
) -> None:
    told: list[tuple[int, int, str]] = []
    convert(write_jsonl(records()), tmp_path / "out", tokenizer_folder, progress=lambda *news: told.append(news))
    wanted = [(1, "counting labels"), (25, "encoding records"), (25, "writing shards")]
    assert told == [(done, total, what) for total, what in wanted for done in (0, total)]


def test_a_record_without_split_gets_one_by_its_id(write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path) -> None:
    numbers = [str(number) for number in range(300)]
    convert(
        write_jsonl({"id": number, "text": "", "labels": ["a"]} for number in numbers),
        tmp_path / "out",
        tokenizer_folder,
    )
    tenths = {number: int(md5(number.encode()).hexdigest(), 16) % 10 for number in numbers}  # noqa: S324 (no secret)
    for split, wanted in (("test", {0}), ("dev", {1}), ("train", set(range(2, 10)))):
        rows = Dataset.open(tmp_path / "out").split(split)
        ids = rows.take(np.arange(rows.num_records), ["id"])["id"].to_pylist()
        assert sorted(ids) == sorted(number for number in numbers if tenths[number] in wanted)


def test_a_label_that_is_repeated_counts_once(write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path) -> None:
    source = write_jsonl([{"id": "1", "split": "train", "text": "", "labels": ["a", "b", "a"]}])
    convert(source, tmp_path / "out", tokenizer_folder)
    dataset = Dataset.open(tmp_path / "out")
    assert dataset.vocabulary.counts.tolist() == [1, 1]
    assert dataset.split("train").take(np.array([0]), ["labels"])["labels"].to_pylist() == [[0, 1]]


@pytest.mark.parametrize("known", [["elsewhere"], ["a", "b"]])
def test_a_label_outside_the_given_vocabulary_is_named_by_line(
    write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path, known: list[str]
) -> None:
    Vocabulary.build(dict.fromkeys(known, 1), {}).save(tmp_path / "given.arrow")
    source = write_jsonl([{"id": "1", "text": "", "labels": ["a", "b"]}, {"id": "2", "text": "", "labels": ["b", "c"]}])
    line, label = (2, "c") if "a" in known else (1, "a")
    with pytest.raises(UnknownLabelError, match=rf"corpus\.jsonl:{line}: label '{label}': not in the vocabulary"):
        convert(source, tmp_path / "out", tokenizer_folder, vocabulary=tmp_path / "given.arrow")


def test_skipped_records_are_told_by_line_the_first_three_of_a_piece(
    write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path
) -> None:
    told: list[str] = []
    source = write_jsonl([{"id": 4}, *records(count=2), 5, 6, 7])
    manifest = convert(source, tmp_path / "out", tokenizer_folder, on_bad_record="skip", skipped=told.append)
    assert manifest.skipped_records == 4
    assert [line.split(": ")[0] for line in told] == ["corpus.jsonl:1", "corpus.jsonl:4", "corpus.jsonl:5"]
    assert told[1] == "corpus.jsonl:4: is 5: must be a JSON object"


def test_a_source_without_any_label_needs_the_vocabulary_of_another(
    write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path
) -> None:
    source = write_jsonl([{"id": str(number), "text": "", "labels": []} for number in range(2)])
    with pytest.raises(
        DataError, match=r"corpus\.jsonl: none of its 2 records has a label: fill in their 'labels', or"
    ):
        convert(source, tmp_path / "out", tokenizer_folder)
    Vocabulary.build({"a": 1}, {}).save(tmp_path / "given.arrow")
    manifest = convert(source, tmp_path / "out", tokenizer_folder, vocabulary=tmp_path / "given.arrow")
    assert sum(shard.rows for shards in manifest.splits.values() for shard in shards) == 2


def test_a_source_without_usable_records_is_refused(write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path) -> None:
    with pytest.raises(DataError, match=r"corpus\.jsonl: holds no usable record \(2 skipped\)"):
        convert(write_jsonl([1, 2]), tmp_path / "out", tokenizer_folder, on_bad_record="skip")
