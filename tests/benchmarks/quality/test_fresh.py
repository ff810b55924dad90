"""Test records whose text or title stands in the training split."""

import gzip
import json

import pytest

from benchmarks.quality import corpus
from benchmarks.quality.fresh import repeats, title

TRAIN = ("Soil mechanics\nAn introduction. Second edition.", "A small editor. It edits.", "No title")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Soil mechanics\nAn introduction. Second edition.", "Soil mechanics"),
        ("A small editor. It edits.\nMore", "A small editor"),
        ("Version 1.2 of it\n", "Version 1.2 of it"),
        ("", ""),
    ],
)
def test_a_title_is_the_first_line_or_the_first_sentence(text: str, expected: str) -> None:
    assert title(text) == expected


def test_a_record_is_fresh_if_neither_its_text_nor_its_title_stands_in_train() -> None:
    test = (
        f" {TRAIN[0]}\n",
        "Soil mechanics\nAnother abstract.",
        "Rock mechanics\nAn introduction. Second edition.",
        "A small editor. It edits much.",
        "Edits. A small editor.",
        "no title",
    )
    found = repeats(TRAIN, test)
    assert found.text_N.tolist() == [True, False, False, False, False, False]
    assert found.title_N.tolist() == [True, True, False, True, False, False]
    assert found.fresh_N.tolist() == [False, False, True, False, True, True]


# Of all test records; titles include repeated texts.
@pytest.mark.parametrize(
    ("name", "texts", "titles"), [("tibkat_en", 2, 6), ("debian_depends", 8, 9), ("debtags", 5, 6)]
)
def test_few_records_of_real_data_repeat_one_of_train(name: str, texts: int, titles: int) -> None:
    if not (corpus.DATA / name).is_dir():
        pytest.skip(f"{corpus.DATA / name} is not there: set LMMTC_DATA")
    splits: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    with gzip.open(next((corpus.DATA / name).glob("*.jsonl.gz")), "rt", encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            splits[record["split"]].append(record["text"])
    found = repeats(splits["train"], splits["test"])
    assert (round(100 * found.text_N.mean()), round(100 * found.title_N.mean())) == (texts, titles)
