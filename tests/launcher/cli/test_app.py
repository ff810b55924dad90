"""The command `lmmtc` before any work is done."""

import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from launcher.cli.app import app
from tests.launcher.conftest import Lmmtc
from tests.programs import finish

GROUP = typer.main.get_command(app)
COMMANDS = GROUP.commands  # pyright: ignore[reportAttributeAccessIssue] - a group has them
SHOWN = {name for name, command in COMMANDS.items() if not command.hidden}
ALIASES = {"launch": "train"} | {
    name: f"data {name}" for name in ("shard", "verify", "inspect", "merge", "upload", "simulate")
}

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
    use = {"index", "tune", "evaluate", "predict", "serve", "export", "extend"}
    assert {"data", "train", "checkpoint", *use, "plan", "doctor", "setup"} == SHOWN


def test_names_of_earlier_versions_are_hidden_and_mean_the_same_command() -> None:
    assert set(COMMANDS) - SHOWN == set(ALIASES)
    for old, new in ALIASES.items():
        found = GROUP
        for word in new.split():
            found = found.commands[word]  # pyright: ignore[reportAttributeAccessIssue] - a group has them
        assert _work(COMMANDS[old]) is _work(found)


def _work(command: Any) -> object:
    return command.callback.__wrapped__  # typer puts a wrapper of its own around each


def test_help_is_in_panels() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120"}).output
    places = [shown.index(f"─ {panel} ─") for panel in ("Data", "Train", "Use", "Operate")]
    assert places == sorted(places)


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


@pytest.mark.parametrize("command", ["data verify", "verify"])
def test_a_data_set_is_checked_without_torch(tiny_dataset: Path, command: str) -> None:
    assert finish(sys.executable, "-c", HEAVY, *command.split(), tiny_dataset).out.endswith("heavy:\n")


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
        ("train -- --confg run.toml", "launcher/run.py: error: the following arguments are required: --config\n"),
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
    assert all(name in said.out + said.err for name in SHOWN)


@pytest.mark.parametrize(
    "words", ["--help", "train --help", "train -- --help", "launch --help", "data --help", "data shard --help"]
)
def test_help_that_was_asked_for_is_no_error(lmmtc: Lmmtc, words: str) -> None:
    assert lmmtc(*words.split()).code == 0
