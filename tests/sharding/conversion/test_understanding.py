"""What a conversion has understood of its source, and what it refuses once all is counted."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from sharding import DataError, Manifest, SourceSettings, convert
from sharding.conversion import fingerprints

Write = Callable[[Iterable[Any]], Path]


def rows(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [
        {"id": str(n), "text": f"text {n}", "labels": ["all", f"l{n}"], "split": "train"} | fields for n in range(count)
    ]


def test_the_manifest_keeps_what_was_understood(write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path) -> None:
    some = [*rows(3), {"id": "x", "text": "text 0", "labels": [], "split": "test"}]
    texts = tmp_path / "texts.tsv"
    texts.write_text("ALL\tevery record\nnobody\tnothing\n")
    manifest = convert(write_jsonl(some), tmp_path / "out", tokenizer_folder, label_texts=texts)
    assert Manifest.load(tmp_path / "out").source == json.loads(json.dumps(manifest.source))
    assert manifest.source is not None
    assert (
        manifest.source
        | {
            "format": "jsonl",
            "encoding": "utf-8",
            "separator": "|",
            "records": {"train": 3, "test": 1},
            "vocabulary": 4,
            "labels_per_record": {"least": 0, "median": 2, "most": 2},
            "without_labels": 1,
            "empty_texts": 0,
            "texts_in_two_splits": 1,
            "most_frequent": [["all", 3], ["l0", 1], ["l1", 1], ["l2", 1]],
            "labels_with_text": 1,
            "texts_without_label": 1,
        }
        == manifest.source
    )
    assert manifest.source["warnings"][-1] == (
        f"{texts}: texts for 1 of 4 labels; 1 lines name no label, e.g. 'nobody'"
    )


def test_a_data_set_is_the_same_whatever_is_said_of_its_source(
    write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path
) -> None:
    manifest = convert(write_jsonl(rows(3)), tmp_path / "out", tokenizer_folder)
    path = tmp_path / "out" / "manifest.json"
    content = json.loads(path.read_text())
    del content["source"]  # as older data sets have none
    path.write_text(json.dumps(content))
    assert Manifest.load(tmp_path / "out").dataset_id == manifest.dataset_id


@pytest.mark.parametrize("parts", [1, 3])
def test_an_id_that_stands_twice_is_refused_with_both_places(
    write_jsonl: Write, tmp_path: Path, tokenizer_folder: Path, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprints, "_AT_ONCE", 5 // parts)
    some = [*rows(4), *rows(2)]
    with pytest.raises(DataError) as caught:
        convert(write_jsonl(some), tmp_path / "out", tokenizer_folder)
    assert str(caught.value) == (
        "corpus.jsonl:5: id '0': stands twice, first at corpus.jsonl:1, as do 1 more: each record needs "
        'an id of its own, and all its labels: join the rows, or have records numbered by --id-field ""'
    )
    settings = SourceSettings(id_field="")
    assert convert(tmp_path / "corpus.jsonl", tmp_path / "out", tokenizer_folder, source_settings=settings)


def test_rows_without_a_text_are_left_out_and_counted(tmp_path: Path, tokenizer_folder: Path) -> None:
    (tmp_path / "a.csv").write_text("text,labels\na,x|y\n,x\nnan,y\nb,x\n")
    manifest = convert(tmp_path / "a.csv", tmp_path / "out", tokenizer_folder)
    assert manifest.source is not None
    assert manifest.source["left_out"] == 2
    assert sum(manifest.source["records"].values()) == 2
    assert manifest.skipped_records == 0
    (tmp_path / "a.csv").write_text("text,labels\n,x\n")
    with pytest.raises(DataError, match=r"holds no usable record \(0 skipped, 1 without a text\)"):
        convert(tmp_path / "a.csv", tmp_path / "other", tokenizer_folder)
