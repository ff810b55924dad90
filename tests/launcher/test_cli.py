"""The command `lmmtc` before any work is done."""

import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from launcher.cli import app
from tests.programs import finish

COMMANDS = typer.main.get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue] - a group has them

HEAVY = """
import sys
from launcher.cli import main

sys.argv = ["lmmtc", *sys.argv[1:]]
try:
    main()
finally:
    print("heavy:", *sorted({"torch", "deepspeed", "transformers"} & sys.modules.keys()))
"""


def test_the_commands_are_those_of_the_readme() -> None:
    assert set(COMMANDS) == {
        *("shard", "verify", "inspect", "merge", "simulate", "upload"),
        *("evaluate", "predict", "export", "extend", "checkpoint", "launch", "setup", "doctor", "plan"),
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_explains_the_command_and_every_option(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "300"})
    assert shown.exit_code == 0
    assert COMMANDS[name].help in shown.output
    for option in COMMANDS[name].params:
        assert option.help in shown.output
        assert all(word in shown.output for word in option.opts if word.startswith("-"))


def test_help_comes_without_waiting_for_torch() -> None:
    assert finish(sys.executable, "-c", HEAVY, "--help").out.endswith("heavy:\n")


def test_a_data_set_is_checked_without_torch(tiny_dataset: Path) -> None:
    assert finish(sys.executable, "-c", HEAVY, "verify", tiny_dataset).out.endswith("heavy:\n")


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["predict", "run", "--text", "a", "--top", "0"], "--top"),
        (["predict", "run", "--text", "a", "--refine", "-1"], "--refine"),
        (["evaluate", "run", "--refine", "-1"], "--refine"),
    ],
)
def test_a_number_below_its_bound_is_refused_by_name(words: list[str], option: str) -> None:
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 2
    assert f"Invalid value for '{option}'" in refused.output
