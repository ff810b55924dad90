"""Results as Markdown."""

from benchmarks.quality import tables
from benchmarks.quality.variants import FEW_LABELS
from trainer.evaluation import Worth

FIGURES = {"P@1": 0.9, "P@3": 0.5, "P@5": 0.25, "micro-F1": 0.8, "macro-F1": 0.1, "subset accuracy": 0.75, "nDCG@1": 0}


def test_a_table_is_markdown() -> None:
    assert tables.markdown(["", "b"], [["1", "2"]]) == "|  | b |\n| --- | --- |\n| 1 | 2 |"


def test_a_variant_has_a_row_of_percents_and_its_scan_another() -> None:
    verdict = {"step": 300, "split": "test", "scan": FIGURES | {"P@1": 0.6}, "scan+cloze": FIGURES}
    assert list(tables.verdict_rows(["prefix", "300"], [verdict], FEW_LABELS)) == [
        ["prefix", "300", "90.0", "50.0", "25.0", "80.0", "10.0", "75.0"],
        ["prefix: its scan alone", "300", "60.0", "50.0", "25.0", "80.0", "10.0", "75.0"],
    ]


def test_the_answer_is_the_last_ranking() -> None:
    assert tables.answer({"step": 300, "scan": FIGURES | {"P@1": 0.6}, "scan+cloze": FIGURES}) == FIGURES


def test_seeds_have_a_mean_and_a_standard_deviation() -> None:
    verdicts = [{"scan": FIGURES | {"P@1": value}} for value in (0.7, 0.8, 0.9)]
    [row] = tables.verdict_rows(["control"], verdicts, FEW_LABELS)
    assert row[:3] == ["control", "80.0 ± 10.0", "50.0 ± 0.0"]


def test_every_ranking_has_a_row_of_recalls_by_training_records() -> None:
    bands = [{"recall": {"scan": {"recall@5": 0.5}, "scan+cloze": {"recall@5": value}}} for value in (0.75, 0.25)]
    assert list(tables.band_rows("prefix", {"by training records": bands})) == [
        ["prefix: scan", "50.0", "50.0"],
        ["prefix: scan+cloze", "75.0", "25.0"],
    ]


def test_what_nobody_measured_stays_empty() -> None:
    assert tables.known_row(["SVM", ""], {"P@1": 94.6, "micro-F1": 88.4}, FEW_LABELS) == [
        "SVM",
        "",
        "94.6",
        "",
        "",
        "88.4",
        "",
        "",
    ]


def test_what_given_labels_are_worth_is_in_percent() -> None:
    worth = Worth(given=1, records=9, precision=0.5, recalls=(0.25, 0.75), micro_f1=0.125)
    assert tables.worth_row(2, worth) == ["2", "1", "50.0", "25.0", "75.0", "12.5"]
