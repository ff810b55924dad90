"""The README can be scanned: it shows before it explains."""

import re

import pytest

from tests.programs import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MOST_WORDS = 50
PROSE = re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE)
PARAGRAPHS = [part for part in PROSE.split("\n\n") if part.strip() and part.strip()[0] not in "#|!-"]


@pytest.mark.parametrize("paragraph", PARAGRAPHS, ids=lambda paragraph: paragraph.strip()[:30])
def test_no_paragraph_is_long(paragraph: str) -> None:
    assert len(re.sub(r"\]\([^)]*\)", "]", paragraph).split()) <= MOST_WORDS


def test_there_are_ten_features_and_each_leads_to_a_page() -> None:
    features = README.partition("## Features\n")[2].partition("\n## ")[0]
    bullets = re.findall(r"^- .*(?:\n  .*)*", features, re.MULTILINE)
    assert len(bullets) == 10
    assert all("](docs/" in bullet for bullet in bullets)


def test_the_python_is_at_most_eight_lines() -> None:
    [program] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in program.splitlines() if line]) <= 8
