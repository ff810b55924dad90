"""What happens when a source, or something beside it, changes while it is converted, or between two tries."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from sharding import DataError, Dataset, SourceSettings, convert
from sharding.sources import open_source


def write(path: Path, count: int = 50, label: str = "all") -> Path:
    records = [{"id": str(n), "split": "train", "text": "a", "labels": [label, f"n{n % 4}"]} for n in range(count)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def once(change: Callable[[], object], when: str) -> Callable[[int, int, str], None]:
    """Make a change after the first part of a round."""
    changed = []

    def progress(done: int, _total: int, what: str) -> None:
        if done and what == when and not changed:
            changed.append(change())

    return progress


@pytest.mark.parametrize("count", [50, 9, 60])
@pytest.mark.parametrize("label", ["all", "n1", "new"])
def test_a_source_that_changes_while_it_is_converted_is_refused_and_converted_anew_the_next_time(
    tmp_path: Path, tokenizer_folder: Path, count: int, label: str
) -> None:
    source = write(tmp_path / "corpus.jsonl")
    change = once(lambda: write(source, count, label), "counting labels")
    if (count, label) != (50, "all"):
        with pytest.raises(DataError, match=r"corpus\.jsonl.*: was changed while it was converted: start again when"):
            convert(source, tmp_path / "out", tokenizer_folder, shard_rows=10, progress=change)
    again = convert(source, tmp_path / "out", tokenizer_folder, shard_rows=10)
    assert again == convert(source, tmp_path / "anew", tokenizer_folder, shard_rows=10)


def stop(folder: Path, out: Path, tokenizer_folder: Path, settings: SourceSettings) -> None:
    def progress(_done: int, _total: int, what: str) -> None:
        if what == "encoding records":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(folder, out, tokenizer_folder, source_settings=settings, progress=progress)


def test_parts_are_not_used_after_the_labels_beside_the_texts_have_changed(
    tmp_path: Path, tokenizer_folder: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "train_texts.txt").write_text("a\nb\nc\n")
    (source / "train_labels.txt").write_text("x\ny\nz\n")
    stop(source, tmp_path / "out", tokenizer_folder, SourceSettings())
    (source / "train_labels.txt").write_text("y\ny\nz\n")
    convert(source, tmp_path / "out", tokenizer_folder)
    vocabulary = Dataset.open(tmp_path / "out").vocabulary
    assert dict(zip(vocabulary.names.to_pylist(), vocabulary.counts.tolist(), strict=True)) == {"y": 2, "z": 1}


def make_pecos(folder: Path) -> None:
    (folder / "X.trn.txt").write_text("a\n")
    with (folder / "Y.trn.npz").open("wb") as file:
        sparse.save_npz(file, sparse.csr_matrix(np.ones((1, 1))))
    (folder / "output-items.txt").write_text("one\n")


def make_lf_json(folder: Path) -> None:
    (folder / "trn.json.gz").write_bytes(gzip.compress(b'{"uid": "1", "title": "a", "target_ind": [0]}\n'))
    (folder / "lbl.json.gz").write_bytes(gzip.compress(b'{"uid": "l", "title": "one"}\n'))
    (folder / "filter_labels_train.txt").write_text("0 0\n")


def make_split_sparse(folder: Path) -> None:
    (folder / "trn_X_Xf.txt").write_text("1 1\n0:1\n")
    (folder / "trn_X_Y.txt").write_text("1 1\n0:1\n")
    (folder / "Y.txt").write_text("one\n")
    (folder / "trn_filter_labels.txt").write_text("0 0\n")
    (folder / "Xf.txt").write_text("word\n")


def make_raw_texts(folder: Path) -> None:
    (folder / "train_texts.txt").write_text("a\n")
    (folder / "train_labels.txt").write_text("x\n")


@pytest.mark.parametrize("make", [make_pecos, make_lf_json, make_split_sparse, make_raw_texts])
def test_every_file_that_is_read_counts_as_a_part_of_the_source(
    tmp_path: Path, tokenizer_folder: Path, make: Callable[[Path], None]
) -> None:
    source, settings = tmp_path / "source", SourceSettings(feature_names=tmp_path / "source" / "Xf.txt")
    source.mkdir()
    make(source)
    opened = open_source([source], settings)
    assert {*opened.files, *opened.companions()} == set(source.iterdir()) | {source / "Xf.txt"}
    for file in source.iterdir():
        stop(source, tmp_path / "out", tokenizer_folder, settings)
        with pytest.raises(DataError, match=rf"{re.escape(str(file))}: was changed while it was converted"):
            convert(
                source,
                tmp_path / "out",
                tokenizer_folder,
                source_settings=settings,
                progress=once(lambda file=file: file.write_bytes(file.read_bytes()), "encoding records"),
            )
