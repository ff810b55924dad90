"""Numbers of labels."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding import DataError, UnknownLabelError, Vocabulary

COUNTS = {"rare": 1, "often": 9, "unseen": 0, "also rare": 1}


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 5)))
def test_ids_run_from_frequent_to_rare_and_then_by_name(counts: dict[str, int]) -> None:
    vocabulary = Vocabulary.build(counts, {})
    keys = [(-counts[name], name) for name in vocabulary.names_of(range(len(vocabulary)))]
    assert keys == sorted(keys)
    assert vocabulary.counts.tolist() == [-count for count, _ in keys]
    assert all(vocabulary.id_of(name) == label for label, (_, name) in enumerate(keys))


def test_a_vocabulary_survives_its_file(tmp_path: Path) -> None:
    Vocabulary.build(COUNTS, {"often": "a text", "elsewhere": "no label of ours"}).save(tmp_path / "labels.arrow")
    loaded = Vocabulary.load(tmp_path / "labels.arrow")
    assert loaded.names.to_pylist() == ["often", "also rare", "rare", "unseen"]
    assert loaded.texts.to_pylist() == ["a text", None, None, None]
    assert loaded.counts.tolist() == [9, 1, 1, 0]
    assert loaded.counts.dtype == np.int64


def test_an_unknown_label_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(UnknownLabelError, match="label 'oftne': must be one of the 4 labels; nearest: 'often'"):
        Vocabulary.build(COUNTS, {}).id_of("oftne")
    with pytest.raises(UnknownLabelError, match=r"one of the 4 labels$"):
        Vocabulary.build(COUNTS, {}).id_of("nothing of the kind")


def test_recounting_keeps_ids() -> None:
    recounted = Vocabulary.build(COUNTS, {}).recounted(pa.table({"name": ["unseen", "rare"], "count": [4, 2]}))
    assert recounted.names.to_pylist() == ["often", "also rare", "rare", "unseen"]
    assert recounted.counts.tolist() == [0, 0, 2, 4]


def test_a_vocabulary_without_labels_is_a_data_error(tmp_path: Path) -> None:
    Vocabulary.build({}, {}).save(tmp_path / "labels.arrow")
    with pytest.raises(DataError, match=r"labels\.arrow: holds no label: convert records that have labels"):
        Vocabulary.load(tmp_path / "labels.arrow")


@pytest.mark.parametrize("content", [None, b"", b"ARROW1 but not really"])
def test_a_missing_or_damaged_file_is_a_data_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "labels.arrow"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"label vocabulary .*cannot be read"):
        Vocabulary.load(path)


def test_labels_are_added_behind_all_others_and_without_records() -> None:
    vocabulary = Vocabulary.build({"a": 2, "b": 1}, {"b": "the second"})
    more = vocabulary.extended({"z": "the last", "c": ""})
    assert more.names.to_pylist() == ["a", "b", "z", "c"]
    assert more.texts.to_pylist() == [None, "the second", "the last", ""]
    assert more.counts.tolist() == [2, 1, 0, 0]
    assert more.counts.dtype == np.int64


def test_a_label_that_is_there_cannot_be_added() -> None:
    with pytest.raises(DataError) as caught:
        Vocabulary.build({"a": 2, "b": 1}, {}).extended({"z": "new", "b": "old"})
    assert str(caught.value) == "label 'b': is one of the 2 labels already: give new ones only"
