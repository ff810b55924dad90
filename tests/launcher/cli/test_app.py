"""The command `lmmtc` before any work is done."""

import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from launcher.cli.app import app
from tests.launcher.conftest import Lmmtc
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
        *("index", "tune", "evaluate", "predict", "export", "extend", "checkpoint"),
        *("launch", "setup", "doctor", "plan"),
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
    ("words", "said"),
    [
        ("predict run --text a --top 0", "Invalid value for '--top'"),
        ("predict run --text a --refine -1", "Invalid value for '--refine'"),
        ("evaluate run --refine -1", "Invalid value for '--refine'"),
        ("evaluate run --labels some", "Invalid value for '--labels'"),
        ("evaluate", "Missing argument 'run'"),
        ("evaluate run --recods 3", "No such option: --recods"),
        ("launch --nproc two -- --config run.toml", "Invalid value for '--nproc'"),
        ("launch -- --confg run.toml", "launcher/run.py: error: the following arguments are required: --config\n"),
        ("launch -- --config run.toml more", "launcher/run.py: error: unrecognized arguments: more\n"),
        ("evalute run", "No such command 'evalute'. Did you mean 'evaluate'?"),
    ],
)
def test_wrong_words_end_with_the_code_that_no_scheduler_tries_again(lmmtc: Lmmtc, words: str, said: str) -> None:
    refused = lmmtc(*words.split())
    assert refused.code == 78
    assert said in refused.err


def test_asked_for_nothing_the_commands_are_shown_and_none_was_done(lmmtc: Lmmtc) -> None:
    said = lmmtc()
    assert said.code == 78
    assert all(name in said.out + said.err for name in COMMANDS)


@pytest.mark.parametrize("words", ["--help", "launch --help", "launch -- --help"])
def test_help_that_was_asked_for_is_no_error(lmmtc: Lmmtc, words: str) -> None:
    assert lmmtc(*words.split()).code == 0
