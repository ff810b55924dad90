"""The README's commands and the tutorial's script, run as they stand in a copy of the checkout, but shortened."""

import re
from pathlib import Path

import pytest

from tests.programs import ROOT, copy_checkout, finish

pytestmark = [pytest.mark.ranks, pytest.mark.slow, pytest.mark.timeout(900)]

pytest.importorskip("simple_icd_10_cm", reason="the demo extra is not installed")
pytest.importorskip("matplotlib", reason="the demo extra is not installed")

BLOCKS = [
    block
    for block in re.findall(r"^```bash\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    if not block.startswith("make ")  # they set up an environment, and run these tests
]
SHORTER = {
    r"(prepare\.py data/icd10)": r"\1 --records 3000",
    r"--records (2000|500)\b": "--records 50",
    "E11=yes": "A18=yes",  # of the first 3,000 codes
    r"steps = 1231 ": "steps = 20 ",
    r"(python examples/icd10/steps\.py)\)": r"\1 > /dev/null; echo 20)",
    r"records = 400\b": "records = 50",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy the checkout, with 20 steps of training."""
    copy = copy_checkout(tmp_path / "copy")
    for name in ("examples/icd10/config.toml", "examples/icd10/run.sh"):
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


def test_the_readme_has_commands() -> None:
    assert any("deepspeed" in block for block in BLOCKS)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0])
def test_a_block_of_the_readme_runs(checkout: Path, block: str) -> None:
    run(checkout, shortened(block))
    assert (checkout / "runs" / "icd10" / "evaluation.json").is_file()
    assert (checkout / "runs" / "icd10" / "tuned.json").is_file()
    assert (checkout / "data" / "answers.parquet").is_file()
    assert (checkout / "data" / "exported" / "README.md").is_file()
    assert (checkout / "runs" / "icd10-more" / "config.json").is_file()


def test_the_tutorial_runs(checkout: Path) -> None:
    said = run(checkout, "bash examples/icd10/run.sh")
    assert "7/7" in said
    assert said.count("damage to the kidneys") == 2  # without a known code, and with one
    assert "labels known" in said
    assert (checkout / "runs" / "icd10" / "report.png").is_file()
