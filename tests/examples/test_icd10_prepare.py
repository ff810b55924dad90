"""The ICD-10 corpus from a handful of codes, and once from the real list."""

import json
from pathlib import Path

import pytest

from examples.icd10 import prepare
from examples.icd10.prepare import Code

CHAPTER = Code("1", "Infectious diseases", (), ())
BLOCK = Code("A00-A09", "Intestinal infections", (), ("1",))
CHOLERA = Code("A00", "Cholera", (), ("A00-A09", "1"))
BIOVAR = Code("A00.0", "Cholera,\tbiovar  cholerae", ("Classical cholera", "Asiatic cholera"), ("A00", "A00-A09", "1"))
CODES = [CHAPTER, BLOCK, CHOLERA, BIOVAR]


@pytest.fixture
def four_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "read_codes", lambda: CODES)


def test_a_record_tells_the_description_and_the_inclusion_terms_in_one_line() -> None:
    assert prepare.to_record(BIOVAR).text == "Cholera, biovar cholerae. Classical cholera; Asiatic cholera"
    assert prepare.to_record(CHOLERA).text == "Cholera"


def test_a_record_is_labelled_with_its_ancestors() -> None:
    assert prepare.to_record(BIOVAR).labels == ["A00", "A00-A09", "1"]


def test_the_split_depends_on_the_name_alone() -> None:
    assert [prepare.split_of(name) for name in ("A00-A09", "A00", "A00.0", "A00.1")] == [
        "train",
        "dev",
        "train",
        "test",
    ]


@pytest.mark.usefixtures("four_codes")
def test_files_hold_all_codes_but_chapters_and_only_labels_in_use(tmp_path: Path) -> None:
    prepare.prepare(tmp_path / "new", limit=None)
    lines = (tmp_path / "new" / "icd10.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["A00-A09", "A00", "A00.0"]
    labels = (tmp_path / "new" / "labels.tsv").read_text(encoding="utf-8")
    assert labels == "1\tInfectious diseases\nA00\tCholera\nA00-A09\tIntestinal infections\n"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["icd10.jsonl", "labels.tsv"]


@pytest.mark.usefixtures("four_codes")
def test_a_limit_takes_the_first_records(tmp_path: Path) -> None:
    prepare.prepare(tmp_path, limit=2)
    assert len((tmp_path / "icd10.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert "A00\t" not in (tmp_path / "labels.tsv").read_text(encoding="utf-8")


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "labels.tsv"
    path.write_text("old\n", encoding="utf-8")
    with pytest.raises(ZeroDivisionError):
        prepare.write_lines(path, (str(1 // number) for number in (1, 0)))
    assert path.read_text(encoding="utf-8") == "old\n"


def test_files_that_are_there_are_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("icd10.jsonl", "labels.tsv"):
        (tmp_path / name).write_text("old\n", encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["prepare.py", str(tmp_path)])
    prepare.main()
    assert "are there already" in capsys.readouterr().out
    assert (tmp_path / "icd10.jsonl").read_text(encoding="utf-8") == "old\n"


def test_the_real_list_has_unique_ids_and_no_code_above_itself() -> None:
    pytest.importorskip("simple_icd_10_cm", reason="the demo extra is not installed")
    records = [prepare.to_record(code) for code in prepare.read_codes() if code.ancestors]
    assert len(records) == len({record.id for record in records}) == 98_444
    assert len({label for record in records for label in record.labels}) == 23_735
    assert not any(record.id in record.labels or "" in (record.text, *record.labels) for record in records)
