"""The commands of the README and the tutorials, run as they stand in a copy of the checkout, but shortened."""

import re
from pathlib import Path

import pytest

from tests.programs import ROOT, copy_checkout, finish

pytestmark = [pytest.mark.ranks, pytest.mark.slow, pytest.mark.timeout(900)]

pytest.importorskip("simple_icd_10_cm", reason="the demo extra is not installed")
pytest.importorskip("matplotlib", reason="the demo extra is not installed")

ICD10, CSV = "docs/tutorials/icd10.md", "docs/tutorials/csv.md"
SHORTER = {
    r"(prepare\.py data/icd10)": r"\1 --records 3000",
    r"--records (2000|500)\b": "--records 50",
    "E11=yes": "A18=yes",  # of the first 3,000 codes
    r"steps = 1231 ": "steps = 20 ",
    r"steps = 60\b": "steps = 6",
    r"(python examples/icd10/steps\.py)\)": r"\1 > /dev/null; echo 20)",
    r"records = 400\b": "records = 50",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy the checkout, with 20 steps of training, or 6."""
    copy = copy_checkout(tmp_path / "copy")
    for name in ("examples/csv/config.toml", "examples/icd10/config.toml", "examples/icd10/run.sh"):
        shorten(copy / name)
    return copy


def shorten(path: Path) -> None:
    text = shortened(path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")


def shortened(text: str) -> str:
    for long, short in SHORTER.items():
        text = re.sub(long, short, text)
    return text


def run(checkout: Path, script: str) -> str:
    """Run a script of bash in the copy, whose own packages it shall use; the failing command is in its stderr."""
    return finish(
        "bash", "-euxo", "pipefail", "-c", script, cwd=checkout, env={"PYTHONPATH": checkout}, timeout=800
    ).out


def blocks(page: str, language: str = "bash") -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_the_readme_goes_from_a_table_to_predictions_and_its_python_says_the_same(checkout: Path) -> None:
    quick_start, make = blocks("README.md")
    assert make == "make demo\nmake test\n"  # they set up an environment, and run these tests
    assert len(quick_start.splitlines()) == 6
    said = run(checkout, quick_start)
    assert (checkout / "runs" / "tickets" / "evaluation.json").is_file()
    by_command = re.findall(r"[│|] +([01]\.\d{3}) +[│|] (\w+)", said.rpartition("the wifi is awfully slow")[2])

    [program] = blocks("README.md", "python")
    (checkout / "program.py").write_text(program, encoding="utf-8")
    printed = run(checkout, "python program.py")
    names = re.findall(r"'(\w+)'", printed.partition("labels=")[2].partition(")")[0])
    assert names == [name for _probability, name in by_command]
    assert len(names) == 3


@pytest.mark.nightly
def test_the_table_s_tutorial_runs(checkout: Path) -> None:
    said = run(checkout, "".join(blocks(CSV)))
    assert said.count("the wifi is awfully slow") == 2
    assert (checkout / "runs" / "tickets" / "success.json").is_file()


@pytest.mark.nightly
def test_the_demo_s_commands_run_one_by_one(checkout: Path) -> None:
    [block] = blocks(ICD10)
    assert "deepspeed" in block
    run(checkout, shortened(block))
    assert (checkout / "runs" / "icd10" / "evaluation.json").is_file()
    assert (checkout / "runs" / "icd10" / "tuned.json").is_file()
    assert (checkout / "data" / "answers.parquet").is_file()
    assert (checkout / "data" / "exported" / "README.md").is_file()
    assert (checkout / "runs" / "icd10-more" / "config.json").is_file()


def test_the_demo_runs(checkout: Path) -> None:
    said = run(checkout, "bash examples/icd10/run.sh")
    assert "7/7" in said
    assert said.count("damage to the kidneys") == 2  # without a known code, and with one
    assert "labels known" in said
    assert (checkout / "runs" / "icd10" / "report.png").is_file()
