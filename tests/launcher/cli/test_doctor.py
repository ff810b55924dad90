"""`lmmtc doctor` as a user calls it: on a machine that is fit, and where hardly anything is."""

import json
from pathlib import Path

from tests.launcher.conftest import Lmmtc
from tests.programs import PROGRAMS, ROOT, finish


def test_a_machine_and_a_run_that_are_fit_are_no_error(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    said = lmmtc("doctor", "--json", "--config", trained.with_name("run.toml"), "--folder", tmp_path)
    answer = json.loads(said.out)
    assert [each for each in answer["findings"] if each["state"] == "wrong"] == []
    assert (said.code, answer["state"]) in {(0, "ok"), (0, "warning")}
    checks = [each["check"] for each in answer["findings"]]
    assert {"torch", "accelerators", "shared memory", "TMPDIR", "folder", "model.encoder", "data.dataset"} <= {*checks}


def test_what_is_wrong_is_told_in_a_table_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "pyarrow").mkdir()
    (tmp_path / "pyarrow" / "__init__.py").write_text("raise ImportError('built for another machine')", "utf-8")
    env = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "COLUMNS": "200"}
    said = finish(PROGRAMS / "lmmtc", "doctor", "--config", "run.toml", env=env, code=78, timeout=120)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.out.splitlines() if "│" in line]
    wrong = {check: (found, advice) for check, state, found, advice in rows if state == "wrong"}
    assert wrong["import pyarrow"] == (
        "ImportError: built for another machine",
        "pip install --force-reinstall -c constraints.txt pyarrow",
    )
    assert wrong["configuration"][0] == "ImportError: built for another machine"
    assert said.err == ""


def test_packages_of_others_are_a_finding_and_never_run(tmp_path: Path) -> None:
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n", encoding="utf-8")
    env = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    said = finish(PROGRAMS / "lmmtc", "doctor", "--json", "--config", "run.toml", env=env, code=78, timeout=120)
    wrong = {each["check"]: each for each in json.loads(said.out)["findings"] if each["state"] == "wrong"}
    assert wrong["own packages"]["found"] == f"launcher in {ROOT}, trainer in {tmp_path}, sharding in {ROOT}"
    assert wrong["configuration"]["found"] == "not read: that might run what is not lmmtc's"
    assert not (tmp_path / "ran").exists()
