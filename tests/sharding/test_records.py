"""Records as JSON and as rows."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding import BadRecordError, Record
from sharding.records import parse_object, shard_schema
from sharding.sources import SourceSettings
from sharding.sources.fields import FieldReader


def parse_record(line: bytes, *, labelled: bool = True) -> Record:
    return FieldReader(SourceSettings(labelled=labelled)).record(parse_object(line), "a:0", None)


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT, TEXT, st.lists(TEXT), st.sampled_from(["train", "dev", "test"]), st.booleans())
def test_a_record_survives_json(name: str, text: str, labels: list[str], split: str, escaped: bool) -> None:  # noqa: FBT001 (drawn)
    fields = {"id": name, "text": text, "labels": labels, "split": split, "other": 1}
    line = json.dumps(fields, ensure_ascii=escaped).encode()
    assert parse_record(line) == Record(name, text, tuple(labels), split)


def test_a_record_may_leave_its_split_open() -> None:
    assert parse_record(b'{"id": "1", "text": "", "labels": []}') == Record("1", "", (), None)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "not a JSON object in UTF-8"),
        (b'{"id": "\xff"}', "not a JSON object in UTF-8"),
        (b"[" * 100_000, "not a JSON object in UTF-8"),
        (b'["a", "b"]', r'is \["a", "b"\]: must be a JSON object'),
        (b'{"id": 7.5, "text": "b", "labels": []}', "'id' is 7.5: must be a string or a whole number"),
        (b'{"id": "1", "text": null, "labels": []}', "'text' is null: must be a string"),
        (b'{"id": "1", "text": "\\ud800", "labels": []}', "'text' is .*: must be a string in UTF-8"),
        (b'{"id": "1", "text": "b", "labels": ["c", 1.5]}', "'labels' is .*: must be a list of strings"),
        (b'{"id": "1", "text": "b", "labels": [], "split": "all"}', "'split' is \"all\": must be one of train, dev"),
    ],
)
def test_a_bad_record_is_refused_with_the_reason(line: bytes, message: str) -> None:
    with pytest.raises(BadRecordError, match=message):
        parse_record(line)


def test_a_record_to_predict_may_name_labels_known_beforehand() -> None:
    line = b'{"id": "1", "text": "a", "given": {"b": true, "c=d": false}}'
    assert parse_record(line, labelled=False) == Record("1", "a", (), None, (("b", True), ("c=d", False)))


@pytest.mark.parametrize("given", ['["b"]', '{"b": 1}', '{"b": null}', '"b"', "null", '{"\\ud800": true}'])
def test_known_labels_are_either_true_or_false(given: str) -> None:
    line = f'{{"id": "1", "text": "a", "given": {given}}}'.encode()
    with pytest.raises(BadRecordError) as caught:
        parse_record(line, labelled=False)
    assert str(caught.value) == f"'given' is {given}: must be an object of labels and true or false"


def test_a_labelled_record_may_use_the_word_given_as_it_likes() -> None:
    assert parse_record(b'{"id": "1", "text": "a", "labels": [], "given": "b"}') == Record("1", "a", ())


def test_long_values_are_cut_in_error_messages() -> None:
    line = json.dumps({"id": "1", "text": list(range(1000)), "labels": []}).encode()
    with pytest.raises(BadRecordError) as caught:
        parse_record(line)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(("vocabulary_size", "token"), [(65_536, pa.uint16()), (65_537, pa.uint32())])
def test_tokens_take_16_bits_where_every_id_fits(vocabulary_size: int, token: pa.DataType) -> None:
    assert shard_schema(vocabulary_size).field("tokens").type == pa.list_(token)
