"""Commands that pages show are ones that there are, with options that they take."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from launcher.cli.app import app
from tests.programs import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"^```\w*\n(.*?)^```|`(lmmtc [^`\n]*)`", re.DOTALL | re.MULTILINE)
START = re.compile(r"(?:^|[;&|] |--no-python |--no_local_rank )(lmmtc (?!COMMAND|\w+:).*)$", re.MULTILINE)


def commands(text: str) -> Iterator[str]:
    """Give what stands in code: a command to its end, lines that are continued put together."""
    for block, inline in CODE.findall(text):
        yield from START.findall((block or inline).replace("\\\n", " "))


def complaint(line: str) -> str | None:
    """Say what is wrong with a command, if anything is."""
    words = [word for word in shlex.split(line, comments=True)[1:] if word != "..."]
    command: Any = get_command(app)
    while (members := getattr(command, "commands", None)) is not None and words:
        if words[0].startswith("-"):
            return None
        if words[0] not in members:
            return f"no command {words[0]}"
        command = members[words.pop(0)]
    if command.context_settings.get("ignore_unknown_options"):
        return None  # what it does not know is for the ranks
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    own = words[: words.index("--")] if "--" in words else words
    return next((f"no option {word}" for word in own if word.startswith("--") and word not in known), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_shows_commands_that_there_are(page: Any) -> None:
    wrong = {line: said for line in commands(page.read_text("utf-8")) if (said := complaint(line))}
    assert wrong == {}


def test_what_is_not_there_is_found() -> None:
    text = (
        "```\nlmmtc evaluate RUN --no-such\ntorchrun --no-python lmmtc judge RUN\n```\n`lmmtc shard A B --split dev`\n"
    )
    assert [complaint(line) for line in commands(text)] == ["no option --no-such", "no command judge", None]
