"""The glossary says each word once."""

import re

from tests.programs import ROOT

ROWS = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
WORDS = [word for row in ROWS if row not in {"word", "---"} for word in re.sub(r" \(.*?\)", "", row).split(", ")]


def test_each_word_stands_there_once() -> None:
    assert [word for word in WORDS if WORDS.count(word) > 1] == []


def test_words_that_a_newcomer_greps_for_are_explained() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").lower()
    wanted = ("callback", "all-to-all", "heartbeat", "preempt", "retriev", "hard negative")
    assert [word for word in wanted if word not in text] == []
