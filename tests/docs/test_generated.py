"""The reference pages say what the code says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from docs import generate
from trainer.config import Config


@pytest.mark.parametrize("page", [generate.configuration, generate.metrics])
def test_a_generated_page_is_up_to_date(page: Callable[[], str]) -> None:
    written = (generate.DOCS / f"{page.__name__}.md").read_text(encoding="utf-8")
    assert written == page(), "run: python docs/generate.py"


def test_every_setting_says_what_it_means() -> None:
    for name, section in Config.model_fields.items():
        for key, field in section.annotation.model_fields.items():
            assert field.description, f"{name}.{key}"


def test_every_page_that_a_document_links_to_exists() -> None:
    root = Path(__file__).parents[2]
    for document in root.glob("*.md"):
        for link in document.read_text(encoding="utf-8").split("](")[1:]:
            target = link.split(")")[0]
            assert "://" in target or (root / target).exists(), f"{document.name}: {target}"
