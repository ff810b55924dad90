"""What a source says is not to be judged, on its way into a data set and into those it is merged with."""

from pathlib import Path

import pytest

from sharding import DataError, Dataset, LabelFilter, Manifest, convert, merge, verify
from tests.sharding.sources.test_lf_json import write


@pytest.fixture
def filtered(tmp_path: Path, tokenizer_folder: Path) -> Path:
    (tmp_path / "source").mkdir()
    write(tmp_path / "source")
    (tmp_path / "source" / "filter_labels_train.txt").write_text("1 2\n0 0\n")
    (tmp_path / "source" / "filter_labels_test.txt").write_text("0 1\n")
    convert(tmp_path / "source", tmp_path / "filtered", tokenizer_folder)
    return tmp_path / "filtered"


def pairs(folder: Path) -> dict[str, list[str]]:
    dataset = Dataset.open(folder)
    assert dataset.label_filter is not None
    labels = LabelFilter.read(dataset.label_filter, dataset.vocabulary).labels
    return {record: dataset.vocabulary.names_of(ids) for record, ids in labels.items()}


def test_filters_and_texts_of_the_source_become_the_data_sets_own(filtered: Path) -> None:
    assert pairs(filtered) == {"A2": ["B3"], "A1": ["B1"], "A3": ["B2"]}
    vocabulary = Dataset.open(filtered).vocabulary
    assert dict(zip(vocabulary.names.to_pylist(), vocabulary.texts.to_pylist(), strict=True)) == {
        "B1": "red",
        "B2": None,
        "B3": "blue",
    }
    assert verify(filtered).problems == ()


def test_the_same_source_with_filters_gives_the_same_data_set(
    filtered: Path, tmp_path: Path, tokenizer_folder: Path
) -> None:
    published = Manifest.load(filtered)
    assert convert(tmp_path / "source", tmp_path / "again", tokenizer_folder) == published
    assert convert(tmp_path / "source", filtered, tokenizer_folder) == published


def test_a_filter_of_a_label_that_no_record_has_is_left_out(tmp_path: Path, tokenizer_folder: Path) -> None:
    labels = [{"uid": name, "title": name} for name in ("B1", "B2", "B3", "B4")]
    (write(tmp_path, labels=labels) / "filter_labels_test.txt").write_text("0 3\n")
    convert(tmp_path, tmp_path / "out", tokenizer_folder)
    assert Dataset.open(tmp_path / "out").label_filter is None


def test_a_changed_filter_is_reported(filtered: Path) -> None:
    path = Dataset.open(filtered).label_filter
    assert path is not None
    path.write_bytes(path.read_bytes() + b"more")
    assert any(problem.startswith("label-filter.tsv.gz: bytes = ") for problem in verify(filtered).problems)
    path.unlink()
    with pytest.raises(DataError, match=r"1 of its files missing, first label-filter\.tsv\.gz"):
        Dataset.open(filtered)


def test_merged_data_sets_have_the_filters_of_all(filtered: Path, tmp_path: Path, tokenizer_folder: Path) -> None:
    (tmp_path / "more").mkdir()
    train = [{"uid": "A9", "title": "z", "target_ind": [1]}]
    (write(tmp_path / "more", train=train) / "filter_labels_train.txt").write_text("0 0\n")
    vocabulary = filtered / "labels.arrow"
    convert(tmp_path / "more", tmp_path / "grown", tokenizer_folder, vocabulary=vocabulary, seed=1)
    with pytest.raises(DataError, match="records would come twice"):
        merge(filtered, [tmp_path / "grown"])  # the same test record
    (tmp_path / "more" / "tst.json.gz").unlink()
    convert(tmp_path / "more", tmp_path / "trained", tokenizer_folder, vocabulary=vocabulary)
    merge(filtered, [tmp_path / "trained"])
    assert pairs(filtered) == {"A2": ["B3"], "A1": ["B1"], "A3": ["B2"], "A9": ["B1"]}
    assert verify(filtered).problems == ()
