"""Where a result cannot be written, nothing is computed for it."""

import shutil
from pathlib import Path

from tests.launcher.conftest import Lmmtc


def test_an_evaluation_that_could_not_be_kept_is_refused(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    result = run / "evaluation.json"
    result.unlink(missing_ok=True)
    result.mkdir()
    said = lmmtc("evaluate", run)
    rule = "must be a file, in a folder that can be written"
    assert said.code == 78
    assert said.out == ""
    assert said.err == f"ConfigError: {result}, where the result is written: is a folder: {rule}\n"
