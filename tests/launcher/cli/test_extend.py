"""`lmmtc extend`: a run with more labels that every other command takes; and what is refused."""

import gzip
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sharding import Record
from tests.launcher.conftest import Lmmtc
from tests.programs import ROOT, finish
from trainer.inference.loading import TrainedModel
from trainer.inference.predict import Prediction, predict

pytestmark = pytest.mark.ranks

TOP = 12
OUT_OF_THE_WAY = {f"far {number}": f"nobody asks for number {number}" for number in range(3)}


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Write three labels, compressed."""
    path = tmp_path / "labels.tsv.gz"
    path.write_bytes(gzip.compress("".join(f"{name}\t{text}\n" for name, text in OUT_OF_THE_WAY.items()).encode()))
    return path


@pytest.fixture
def extended(lmmtc: Lmmtc, trained: Path, labels: Path, tmp_path: Path) -> Path:
    """Extend the trained run."""
    said = lmmtc("extend", trained, labels, tmp_path / "out")
    assert said.code == 0, said.err
    assert said.out == (f"{tmp_path / 'out'}: 3 labels added to 48; rows from texts: 0, random: 3\n")
    return tmp_path / "out"


def answers(run: Path) -> list[Prediction]:
    """Ask for several texts at a time: the product of one with all rows may be rounded by how many rows there are."""
    model = TrainedModel.load(run)
    return list(predict(model, [Record(str(n), f"topic {n} and topic {n * 7 % 44}", ()) for n in range(44)], TOP))


def test_old_labels_are_scored_as_before_bit_by_bit(trained: Path, extended: Path) -> None:
    before, after = answers(trained), answers(extended)
    assert before == after
    assert len({name for answer in after for name in answer.labels}) > TOP


def test_every_command_takes_the_longer_run(lmmtc: Lmmtc, extended: Path, tmp_path: Path) -> None:
    said = lmmtc("predict", extended, "--text", "topic 3", "--given", "far 2=no", "--top", TOP)
    assert said.code == 0, said.err
    assert lmmtc("export", extended, tmp_path / "exported").code == 0
    names = pq.read_table(tmp_path / "exported" / "labels.parquet")["name"].to_pylist()
    assert names[48:] == list(OUT_OF_THE_WAY)


def test_a_longer_run_is_judged_by_records_sharded_with_its_labels(
    lmmtc: Lmmtc, extended: Path, tokenizer_folder: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    said = lmmtc("evaluate", extended, "--split", "dev")
    assert said.code == 78
    assert said.err.endswith(f"shard it again with --vocabulary {extended / 'model' / 'labels.arrow'}\n")
    shard = ("shard", tiny_dataset.with_name("tiny.jsonl"), tmp_path / "shards", "--tokenizer", tokenizer_folder)
    assert lmmtc(*shard, "--vocabulary", extended / "model" / "labels.arrow").code == 0
    said = lmmtc("evaluate", extended, "--split", "dev", "--dataset", tmp_path / "shards")
    assert said.code == 0, said.err


@pytest.mark.nightly
def test_training_does_not_go_on_in_a_longer_run_but_begins_from_it(
    trained: Path, extended: Path, tmp_path: Path
) -> None:
    start = ("python", ROOT / "launcher" / "run.py", "--config", trained.with_name("run.toml"))
    said = finish(*start, f"--set=run.folder={extended}", code=78, timeout=200)
    assert "48 labels are not the 51 labels of" in said.err.splitlines()[-1]
    assert f"run.init_from = '{extended}'" in said.err.splitlines()[-1]
    finish(*start, f"--set=run.folder={tmp_path / 'next'}", f"--set=run.init_from={extended}", timeout=200)


def test_a_label_that_is_there_is_refused_by_name(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.tsv").write_text("new\ta new label\nlabel 7\tan old one\n", encoding="utf-8")
    said = lmmtc("extend", trained, tmp_path / "labels.tsv", tmp_path / "out")
    message = "DataError: label 'label 7': is one of the 48 labels already: give new ones only\n"
    assert (said.code, said.err) == (78, message)
    assert not (tmp_path / "out").exists()


def test_a_file_without_a_label_is_refused(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.tsv").write_text("\n", encoding="utf-8")
    said = lmmtc("extend", trained, tmp_path / "labels.tsv", tmp_path / "out")
    assert (said.code, said.err) == (78, f"DataError: {tmp_path / 'labels.tsv'}: holds no label\n")


def test_a_folder_with_files_is_refused_and_stays_as_it_was(
    lmmtc: Lmmtc, trained: Path, labels: Path, tmp_path: Path
) -> None:
    said = lmmtc("extend", trained, labels, tmp_path)
    message = f"DataError: {tmp_path}: is there already: name a folder that is new, or empty\n"
    assert (said.code, said.err) == (78, message)
    assert [path.name for path in tmp_path.iterdir()] == [labels.name]


def test_a_folder_that_is_no_run_is_named(lmmtc: Lmmtc, labels: Path, tmp_path: Path) -> None:
    said = lmmtc("extend", tmp_path, labels, tmp_path / "out")
    message = f"ConfigError: {tmp_path}: is not the folder of a run: it has no config.json\n"
    assert (said.code, said.err) == (78, message)
