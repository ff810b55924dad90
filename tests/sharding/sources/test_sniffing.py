"""What a sample of values shows: labels are read rightly, or refused with what to say."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from sharding import DataError, Record
from sharding.sources import SourceSettings, open_source
from tests.sharding.sources.reading import records

LABELS = [["plumbing", "kitchen"], ["roof"], ["paint", "bathroom", "damp"], ["heating"], ["roof", "damp"]]
NAMES = sorted({label for labels in LABELS for label in labels})


def table(folder: Path, values: Sequence[str], header: str = "text\tlabels") -> Path:
    """Write a table whose texts are numbers in words."""
    path = folder / "corpus.tsv"
    path.write_text("\n".join([header, *(f"text {number}\t{value}" for number, value in enumerate(values))]) + "\n")
    return path


def labels_of(path: Path, settings: SourceSettings | None = None) -> list[list[str]]:
    found = records(path, settings)
    assert all(isinstance(record, Record) for record in found), found
    return [list(record.labels) for record in found if isinstance(record, Record)]


@pytest.mark.parametrize(
    "spelt",
    [
        "|".join,
        ";".join,
        "; ".join,
        ",".join,
        ", ".join,
        "#".join,
        "||".join,
        lambda labels: "".join(f"<{label}>" for label in labels),
        lambda labels: " ".join(f"<{label}>" for label in labels),
        lambda labels: f"|{'|'.join(labels)}|",
        lambda labels: " ".join(f"__label__{label}" for label in labels),
        repr,
        lambda labels: repr(tuple(labels)),
        lambda labels: f"frozenset({{{', '.join(map(repr, labels))}}})",
        lambda labels: f"[{', '.join(labels)}]",
        lambda labels: f'{{"choices": [{", ".join(f"{chr(34)}{label}{chr(34)}" for label in labels)}]}}',
    ],
)
def test_labels_in_a_string_are_read_however_they_are_spelt(tmp_path: Path, spelt: object) -> None:
    values = [spelt(labels) for labels in LABELS]  # pyright: ignore[reportCallIssue]
    assert labels_of(table(tmp_path, values)) == LABELS


def test_an_apostrophe_in_a_printed_list_is_part_of_a_label(tmp_path: Path) -> None:
    assert labels_of(table(tmp_path, [repr(["children's room", 'say "a"'])])) == [["children's room", 'say "a"']]


def marks(labels: Sequence[str]) -> list[str]:
    return [str(int(name in labels)) for name in NAMES]


@pytest.mark.parametrize("form", ["[{}]", "({})", "{}"])
@pytest.mark.parametrize("between", [", ", " ", ".0,", ". ", ""])
def test_vectors_of_0_and_1_are_refused(tmp_path: Path, form: str, between: str) -> None:
    path = table(tmp_path, [form.format(between.join(marks(labels))) for labels in LABELS])
    if (form, between) in {("[{}]", ""), ("({})", "")}:
        return  # one number in brackets
    with pytest.raises(
        DataError, match=r"multi-hot vectors of 7 values 0 and 1: labels must be names.*--label-columns"
    ):
        open_source([path], SourceSettings())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["['a' 'b']", "['a']"], "write labels as a list with commas"),
        (["[3 5]", "[6]"], "write labels as a list with commas"),
        (["array(['a', 'b'], dtype=object)"], "write labels as a list with commas"),
        (["[np.str_('a')]"], "write labels as a list with commas"),
        (["a:0.9|b:0.5", "c:1.0"], "labels with scores, such as 'a:0.9'"),
        (["a:0.9,b:0.5", "c:1.0"], "labels with scores, such as 'a:0.9"),
        (["401.0", "250.0|401.0"], "numbers such as 401.0, whole numbers that became floats: .*dtype=str"),
        (["roof damp", "roof", "damp roof", "damp"], r"if a blank stands between labels, say --label-separator ' '"),
        (["wall, wet", "roof, old"], r"if ',' stands between labels, say --label-separator ','"),
    ],
)
def test_values_that_would_come_out_wrong_are_refused(tmp_path: Path, values: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_source([table(tmp_path, values)], SourceSettings())


def test_a_separator_that_no_value_has_is_refused_where_values_show_another(tmp_path: Path) -> None:
    path = table(tmp_path, [", ".join(labels) for labels in LABELS])
    with pytest.raises(DataError, match=r"no 'labels' holds ';', but many are like .*: say --label-separator ','"):
        open_source([path], SourceSettings(label_separator=";"))


def test_lists_of_one_string_that_holds_several_labels_are_refused(tmp_path: Path) -> None:
    rows = ({"text": str(number), "labels": [", ".join(labels)]} for number, labels in enumerate(LABELS))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match="holds lists of one string each, such as 'plumbing, kitchen': make a list"):
        open_source([tmp_path / "a.jsonl"], SourceSettings())


def test_names_of_classes_may_have_commas_and_blanks(tmp_path: Path) -> None:
    names = ["Arts, Crafts", "Toys, Games", "world news"]
    assert labels_of(table(tmp_path, [*names, *names])) == [[name] for name in [*names, *names]]


def test_words_for_nothing_are_no_labels(tmp_path: Path) -> None:
    assert labels_of(table(tmp_path, ["['roof', nan]", "[None]"])) == [["roof"], []]
    assert labels_of(table(tmp_path, ["roof", "nan", "None", "NULL", "N/A", ""])) == [["roof"], *[[]] * 5]


def test_one_row_for_each_pair_of_a_text_and_a_label_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,labels\na,x\na,y\nb,x\n")
    with pytest.raises(DataError, match="a text stands in several rows, each with other labels, such as 'a'"):
        open_source([tmp_path / "a.csv"], SourceSettings())


ONE_HOT = "text,roof,damp\na,1,0\nb,1,1\nc,0,0\n"


@pytest.mark.parametrize("marked", [("1", "0"), ("1.0", "0.0"), ("True", "False")])
def test_columns_of_0_and_1_are_labels_where_there_is_nothing_else(tmp_path: Path, marked: tuple[str, str]) -> None:
    content = ONE_HOT.replace("0", "no").replace("1", marked[0]).replace("no", marked[1])
    (tmp_path / "a.csv").write_text(content)
    assert labels_of(tmp_path) == [["roof"], ["roof", "damp"], []]


def test_columns_of_0_and_1_among_others_must_be_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,source,roof,damp\na,x,1,0\nb,y,1,1\n")
    with pytest.raises(DataError, match=r"'roof' and others hold 0 and 1, name those with --label-columns"):
        open_source([tmp_path], SourceSettings())
    assert labels_of(tmp_path, SourceSettings(label_columns=("roof", "damp"))) == [["roof"], ["roof", "damp"]]
    with pytest.raises(DataError, match=r"'roof' holds 0 and 1, as do 1 other columns: .* --label-columns roof,damp"):
        open_source([tmp_path], SourceSettings(labels_field="roof"))
    with pytest.raises(DataError, match=r"has no column 'wall', .*--label-columns"):
        open_source([tmp_path], SourceSettings(label_columns=("roof", "wall")))
    bad = records(tmp_path, SourceSettings(label_columns=("roof", "source")))
    assert bad[0] == "'source' is \"x\": must be 0 or 1, as is a column of --label-columns" or isinstance(
        bad[0], Record
    )


def test_several_columns_of_texts_and_of_labels_are_put_together(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("title,body,first,second\none,more,x,y|x\ntwo,,y,\n")
    settings = SourceSettings(text_field=("title", "body"), labels_field=("first", "second"))
    assert records(tmp_path, settings) == [Record("a:0", "one more", ("x", "y")), Record("a:1", "two", ("y",))]


@pytest.mark.parametrize(
    ("labels", "key", "found"),
    [
        ([{"name": "x", "score": 1}], None, ["x"]),
        ([{"label": "x", "id": 7}], None, ["x"]),
        ([{"uri": "<http://x>", "label": "a"}], "uri", ["http://x"]),
        ({"x": 1, "y": 0}, None, ["x"]),
        ({"x": True, "y": False}, None, ["x"]),
        ({"x": 1.0, "y": 0.0}, None, ["x"]),
        ({"choices": ["x", "y"]}, None, ["x", "y"]),
        ("x", None, ["x"]),
        (7, None, ["7"]),
    ],
)
def test_labels_may_be_objects_maps_or_one_name(tmp_path: Path, labels: object, key: str | None, found: object) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "a", "deep": {"labels": labels}}))
    settings = SourceSettings(labels_field="deep.labels", label_key=key)
    assert labels_of(tmp_path, settings) == [found]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ('[["x", 0.9]]', "must be a list of strings"),
        ('{"x": 0.9}', "and not a score: keep those above a threshold"),
        ('[{"uri": "u"}]', "say which with --label-key uri"),
        ('["x", null]', "must be a list of strings"),
        ("[401.9]", "and not numbers with a fraction"),
    ],
)
def test_labels_that_say_too_much_or_too_little_make_no_record(tmp_path: Path, labels: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"text": "a", "labels": {labels}}}')
    assert message in str(records(tmp_path)[0])
