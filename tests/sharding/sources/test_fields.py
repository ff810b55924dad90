"""Fields of a row that become a record."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding import BadRecordError, Record
from sharding.sources import SourceSettings
from sharding.sources.fields import FieldReader
from sharding.sources.label_values import LabelForm

ROW = {"id": "1", "text": "a", "labels": ["x"]}


def record(**fields: Any) -> Record:
    return FieldReader(SourceSettings()).record(ROW | fields, "rows:0", "dev")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["x", "y z"], ("x", "y z")),
        ([3, 0], ("3", "0")),
        (7, ("7",)),
        ([], ()),
        ("", ()),
        ("x", ("x",)),
        (" x | y,z |", ("x", "y,z")),
        ('["x|y", "z"]', ("x|y", "z")),
        ("[1, 2]", ("1", "2")),
    ],
)
def test_labels_may_be_lists_numbers_or_strings(labels: Any, names: tuple[str, ...]) -> None:
    assert record(labels=labels).labels == names


@given(st.lists(st.text("xy|,", min_size=1)))
def test_labels_survive_being_put_in_one_string(labels: list[str]) -> None:
    reader = FieldReader(SourceSettings(), LabelForm(separator=";"))
    assert reader.record(ROW | {"labels": ";".join(labels)}, "", None).labels == tuple(labels)


def test_a_row_without_an_id_gets_one_and_a_number_is_one() -> None:
    assert FieldReader(SourceSettings()).record({"text": "a", "labels": []}, "rows:0", None).id == "rows:0"
    assert record(id=17).id == "17"


@pytest.mark.parametrize(("own", "split"), [("test", "test"), ("", "dev"), (None, "dev")])
def test_a_row_names_its_split_or_has_that_of_its_file(own: str | None, split: str) -> None:
    assert record(split=own).split == split


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": None}, "'text' is null: must be a string"),
        ({"text": b"a"}, "'text' is .*: must be a string"),
        ({"text": "\udcff"}, "'text' is .*: must be a string"),
        ({"id": None}, "'id' is null: must be a string or a whole number"),
        ({"id": 1.5}, "'id' is 1.5: must be a string or a whole number"),
        ({"labels": None}, r"'labels' is null: must be a list of strings, or a string with '\|' between labels"),
        ({"labels": True}, "'labels' is true: must be a list"),
        ({"labels": ["x", None]}, "'labels' is .*: must be a list"),
        ({"labels": '["x"'}, "'labels' is .*: must be a list"),
        ({"labels": "[" * 100_000}, "'labels' is .*: must be a list"),
        ({"split": "both"}, "'split' is \"both\": must be one of train, dev, test, or a usual word for one"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRecordError, match=message):
        record(**fields)
