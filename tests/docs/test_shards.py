"""What the page on files tells people to do."""

import re
from pathlib import Path

import pytest

from sharding import Dataset
from tests.programs import ROOT
from tests.rewriting import rewrite


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the library leaves its files to be closed by whoever comes
def test_the_program_for_the_webdataset_library_prints_the_records_of_a_shard(
    tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [program] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "shards.md").read_text(), re.DOTALL)
    tars = Dataset.open(rewrite(tiny_dataset, tmp_path / "tars", "webdataset"))
    urls = [str(tars.path / info.files["webdataset"].path) for info in tars.manifest.splits["dev"]]
    exec(program, {"urls": urls})  # noqa: S102  # it is our own page
    printed = [line.split(" ")[0] for line in capsys.readouterr().out.splitlines()]
    assert printed[0] == next(tars.split("dev").shards(["id"]))[1]["id"][0].as_py()
    assert set(printed) >= {str(number) for number in range(160, 200)}
