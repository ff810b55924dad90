"""From a source to a published data set."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sharding import BadRecordError, DataError, Dataset, Manifest, TextTokenizer, Vocabulary, convert, verify, xxh3_128

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


def test_a_failed_conversion_publishes_nothing(
    write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Manifest, "save", fail)
    with pytest.raises(OSError, match="no space"):
        convert(write_jsonl(records()), tmp_path / "out", tokenizer_folder)
    monkeypatch.undo()
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]
    with pytest.raises(DataError, match="no such file"):
        Dataset.open(tmp_path / "out")
    convert(write_jsonl(records()), tmp_path / "out", tokenizer_folder)
    assert verify(tmp_path / "out").problems == ()


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


def test_progress_is_told_up_to_the_end(write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path) -> None:
    told: list[tuple[int, int | None, str]] = []
    convert(write_jsonl(records()), tmp_path / "out", tokenizer_folder, progress=lambda *news: told.append(news))
    assert told[-1] == (25, 25, "encoding records")
