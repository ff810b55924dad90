"""The reference pages say what the code says."""

from collections.abc import Callable

import pytest

from docs import generate
from trainer.config import Config


@pytest.mark.parametrize("page", [generate.cli, generate.configuration, generate.metrics])
def test_a_generated_page_is_up_to_date(page: Callable[[], str]) -> None:
    written = (generate.DOCS / f"{page.__name__}.md").read_text(encoding="utf-8")
    assert written == page(), "run: python docs/generate.py"


def test_every_setting_says_what_it_means() -> None:
    for name, section in Config.model_fields.items():
        for key, field in section.annotation.model_fields.items():
            assert field.description, f"{name}.{key}"
