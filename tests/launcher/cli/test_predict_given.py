"""`lmmtc predict --given`, or 'given' in a file: what known labels change, and which are refused."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.launcher.cli.test_predict import PROBABILITY
from tests.launcher.conftest import Lmmtc

pytestmark = pytest.mark.ranks


def test_labels_that_are_given_are_no_answers_but_change_them(lmmtc: Lmmtc, trained: Path) -> None:
    def answers(*given: str) -> dict[str, float]:
        options = [word for label in given for word in ("--given", label)]
        said = lmmtc("predict", trained, "--text", "topic 3 and topic 9", "--top", 12, *options)
        assert said.code == 0, said.err
        return {label: float(probability) for probability, label in re.findall(PROBABILITY, said.out)}

    plain, known = answers(), answers("label 0=yes", "label 1=no")
    assert {"label 0", "label 1"} <= plain.keys()
    assert len(known) == 12
    assert not {"label 0", "label 1"} & known.keys()
    assert any(plain[label] != known[label] for label in plain.keys() & known.keys())


def test_a_given_label_means_the_same_in_a_file_and_on_the_screen(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    record = {"id": "1", "text": "topic 12", "given": {"label 0": True, "label 12": False}}
    (tmp_path / "known.jsonl").write_text(json.dumps(record), encoding="utf-8")
    lmmtc("predict", trained, "--input", tmp_path / "known.jsonl", "--output", tmp_path / "answers.parquet")
    given = ("--given", "label 0=yes", "--given", "label 12=no")
    said = lmmtc("predict", trained, "--text", "topic 12", *given)
    [answer] = pq.read_table(tmp_path / "answers.parquet").to_pylist()
    assert [label for _, label in re.findall(PROBABILITY, said.out)] == answer["labels"]


def test_a_given_label_that_is_unknown_is_named_with_its_line(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "known.jsonl").write_text('{"id": "1", "text": "a", "given": {"labl 7": true}}\n', encoding="utf-8")
    said = lmmtc("predict", trained, "--input", tmp_path / "known.jsonl", "--output", tmp_path / "answers.parquet")
    unknown = "label 'labl 7': must be one of the 48 labels; nearest: 'label 7', 'label 47', 'label 37'\n"
    assert (said.code, said.err) == (78, f"UnknownLabelError: known.jsonl:1: {unknown}")
    said = lmmtc("predict", trained, "--text", "a", "--given", "labl 7=no")
    assert (said.code, said.err) == (78, f"UnknownLabelError: {unknown}")


def test_a_given_label_ends_at_the_last_equals_sign(lmmtc: Lmmtc, trained: Path) -> None:
    said = lmmtc("predict", trained, "--text", "a", "--given", "pH=yes=no")
    assert said.err.startswith("UnknownLabelError: label 'pH=yes': must be")


def test_a_label_cannot_be_given_as_yes_and_as_no(lmmtc: Lmmtc, tmp_path: Path) -> None:
    words = ("predict", tmp_path, "--text", "a", "--given", "label 1=yes", "--given", "label 2=no")
    said = lmmtc(*words, "--given", "label 1=no")
    assert (said.code, said.err) == (78, "ConfigError: --given 'label 1': is given as yes and as no: give it once\n")
    assert "is not the folder of a run" in lmmtc(*words, "--given", "label 1=yes").err  # the same again is no error


SURPLUS = (
    "5 labels are given with one text: at most 4 (cloze.max_context); give fewer, or let the surplus be left out with "
    "--drop-surplus\n"
)


def test_more_labels_than_are_read_with_a_text_are_refused_or_left_out(
    lmmtc: Lmmtc, context_run: Path, tmp_path: Path
) -> None:
    def given(number: int) -> list[str]:
        return [
            word for label in range(number) for word in ("--given", f"label {label}={'no' if label % 2 else 'yes'}")
        ]

    words = ("predict", context_run, "--text", "topic 9", "--top", 20)
    said = lmmtc(*words, *given(5))
    assert (said.code, said.err) == (78, f"ConfigError: {SURPLUS}")
    dropped, first = lmmtc(*words, *given(5), "--drop-surplus"), lmmtc(*words, *given(4))
    assert dropped.code == 0, dropped.err
    assert dropped.out == first.out
    assert first.out != lmmtc(*words).out

    record = {"id": "1", "text": "topic 9", "given": {f"label {label}": label % 2 == 0 for label in range(5)}}
    source = tmp_path / "known.jsonl"
    source.write_text('{"id": "0", "text": "a"}\n' + json.dumps(record), encoding="utf-8")
    file = ("predict", context_run, "--input", source, "--output", tmp_path / "answers.parquet")
    said = lmmtc(*file)
    assert (said.code, said.err) == (78, f"ConfigError: known.jsonl:2: 'given': {SURPLUS}")
    assert lmmtc(*file, "--drop-surplus").code == 0
    answer = pq.read_table(tmp_path / "answers.parquet").to_pylist()[1]["labels"]
    assert answer == [label for _, label in re.findall(PROBABILITY, first.out)][:5]


@pytest.mark.parametrize("given", ["label 1", "label 1=true", "label 1=yes ", "yes"])
def test_a_given_label_without_yes_or_no_is_refused(lmmtc: Lmmtc, tmp_path: Path, given: str) -> None:
    said = lmmtc("predict", tmp_path, "--text", "a", "--given", given)
    message = f"ConfigError: --given {given!r}: must be a label, an equals sign, and yes or no\n"
    assert (said.code, said.err) == (78, message)


def test_labels_for_a_file_are_given_in_the_file(lmmtc: Lmmtc, tmp_path: Path) -> None:
    said = lmmtc("predict", tmp_path, "--input", "b", "--output", "c", "--given", "label 1=yes")
    message = "ConfigError: lmmtc predict: --given goes with --text; in a file, each record has its own 'given'\n"
    assert (said.code, said.err) == (78, message)


@pytest.mark.parametrize("options", [("--given", "label 1=yes"), ("--refine", "1")])
def test_a_run_without_a_cloze_refuses_given_labels_and_refinement(
    lmmtc: Lmmtc, without_cloze: Path, options: tuple[str, ...]
) -> None:
    said = lmmtc("predict", without_cloze, "--text", "a", *options)
    assert (said.code, said.err) == (
        78,
        "ConfigError: cloze.enabled = false: without context and slots, no label can be given and no answer refined\n",
    )
