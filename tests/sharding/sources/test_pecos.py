"""Records of PECOS folders."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csc_matrix, csr_matrix, save_npz

from sharding import DataError, Record
from sharding.sources import SourceSettings, open_source
from tests.sharding.sources.reading import read_all, records

LABELS = csr_matrix(np.array([[1, 0, 0.5], [0, 0, 0]], dtype=np.float32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "X.trn.txt").write_text("a text\n\n")
    (tmp_path / "X.tst.txt").write_text("another\nlast\n")
    (tmp_path / "output-items.txt").write_text("red\n\nblue\n")
    for part in ("trn", "tst"):
        save_npz(tmp_path / f"Y.{part}.npz", LABELS)
    return tmp_path


def save(folder: Path, **changed: Any) -> Path:
    parts = {"format": b"csr", "shape": LABELS.shape, "data": LABELS.data, "indices": LABELS.indices}
    np.savez(folder / "Y.trn.npz", **(parts | {"indptr": LABELS.indptr} | changed))
    return folder


def test_texts_meet_their_labels(folder: Path) -> None:
    source = open_source([folder], SourceSettings())
    expected = [
        (0, 0, Record("X.trn:0", "a text", ("0", "2"), "train")),
        (0, 1, Record("X.trn:1", "", (), "train")),
        (1, 0, Record("X.tst:0", "another", ("0", "2"), "test")),
        (1, 1, Record("X.tst:1", "last", (), "test")),
    ]
    assert read_all(source) == expected
    assert read_all(source, 1) == expected
    assert source.where(1, 1) == "X.tst.txt:2"
    assert source.label_texts() == {"0": "red", "2": "blue"}


def test_a_stored_zero_is_no_label(folder: Path) -> None:
    assert Record("X.trn:0", "a text", ("0",), "train") in records(save(folder, data=np.array([1.0, 0.0])))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"indices": np.array([0, 3])}, "indices must be < 3"),
        ({"indices": np.array([0, -1])}, "indices must be >= 0"),
        ({"indptr": np.array([0, 3, 2])}, "indptr must be a non-decreasing sequence"),
        ({"indptr": np.array([0, 2])}, "index pointer size 2 should be 3"),
        ({"indptr": np.array([0, 2, 9])}, "Last value of index pointer"),
        ({"format": b"wild"}, "Unknown format"),
        ({"indices": np.array([0, print], dtype=object)}, "allow_pickle=False"),
        ({"shape": np.array(["two", print], dtype=object)}, "allow_pickle=False"),
    ],
)
def test_a_matrix_that_cannot_be_one_is_refused(folder: Path, changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError, match=rf"Y\.trn\.npz: cannot be read as a sparse matrix: .*{reason}"):
        records(save(folder, **changed))


def test_a_matrix_of_columns_is_refused_with_the_way_out(folder: Path) -> None:
    save_npz(folder / "Y.trn.npz", csc_matrix(LABELS))
    with pytest.raises(DataError, match=r"Y\.trn\.npz: is a matrix in csc form: save it as csr"):
        records(folder)


@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_a_damaged_archive_is_a_data_error(folder: Path, content: bytes | None) -> None:
    path = folder / "Y.trn.npz"
    path.write_bytes(path.read_bytes()[:-30] if content is None else content)
    with pytest.raises(DataError, match=r"Y\.trn\.npz: cannot be read as a sparse matrix"):
        records(folder)


def test_each_text_has_its_row(folder: Path) -> None:
    (folder / "X.trn.txt").write_text("one\n")
    with pytest.raises(DataError, match=r"X\.trn\.txt: ends after 1 records, but .*Y\.trn\.npz goes on"):
        records(folder)


def test_texts_of_labels_must_be_utf8(folder: Path) -> None:
    (folder / "output-items.txt").write_bytes(b"\xff\n")
    with pytest.raises(DataError, match=r"output-items\.txt: .*must be in UTF-8"):
        open_source([folder], SourceSettings()).label_texts()
