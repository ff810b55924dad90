"""`lmmtc index`: builds, adds and removes, on several ranks where that is possible; and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from launcher.ports import free_port
from sharding import TRAIN, Dataset
from tests.launcher.conftest import Lmmtc, copy_with
from tests.programs import PROGRAMS, finish
from trainer.inference.loading import TrainedModel
from trainer.neighbours import IndexFolder, IndexMeta, NeighbourIndex, fingerprint

pytestmark = pytest.mark.ranks


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """Copy the trained run."""
    return shutil.copytree(trained, tmp_path / "run")


def load(run: Path) -> NeighbourIndex:
    model = TrainedModel.load(run)
    return NeighbourIndex.load(run / "neighbours", fingerprint(model), model.vocabulary)


def size(run: Path) -> int:
    return IndexFolder(run / "neighbours").num_bytes()


def write_records(path: Path, *records: tuple[str, str, list[str]]) -> Path:
    lines = (json.dumps({"id": name, "text": text, "labels": labels}) for name, text, labels in records)
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_an_index_of_all_training_records_is_built_changed_and_built_again(
    lmmtc: Lmmtc, run: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    said, folder = lmmtc("index", run), run / "neighbours"
    each = f"{size(run):,} bytes, {size(run) / 160:,.0f} a record"
    assert (said.code, said.out) == (0, f"{folder}: 160 records with dense and sparse keys, {each}\n"), said.err
    train = Dataset.open(tiny_dataset).split(TRAIN).take(np.arange(160), ("id", "text"))
    texts = [text for text in train["text"].to_pylist() if text]
    assert load(run).num_duplicates(texts) == (len(texts), len(texts))

    new = write_records(
        tmp_path / "new.jsonl", ("new", "nobody said this", ["label 3"]), ("7", "nor that", ["label 4"])
    )
    said = lmmtc("index", run, "--add", new)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"{folder}: 2 records added, 1 of them in place of older ones; 161 records with dense")
    assert load(run).num_duplicates(["Nobody said this", "nor that", "more"]) == (2, 2)

    (tmp_path / "gone").write_text("new\n7\n7\n", encoding="utf-8")
    said = lmmtc("index", run, "--remove", tmp_path / "gone")
    assert said.out.startswith(f"{folder}: 2 records removed; 159 records with dense and sparse keys, ")
    assert load(run).num_duplicates(["Nobody said this", "nor that"]) == (0, 0)

    assert lmmtc("index", run, "--records", 30).out.startswith(f"{folder}: 30 records with dense and sparse keys, ")
    assert IndexMeta.read(folder).limit == load(run).meta.records == 30


def test_settings_of_the_run_say_what_is_built(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    run = copy_with(trained, tmp_path / "run", "neighbours", "records", value=25)
    config = json.loads((run / "config.json").read_text())
    config["neighbours"] |= {"keys": ["sparse"], "features": 1000}
    (run / "config.json").write_text(json.dumps(config))
    assert lmmtc("index", run).out.startswith(f"{run / 'neighbours'}: 25 records with sparse keys, ")
    assert (load(run).meta.settings.features, load(run).meta.limit) == (1000, 25)


@pytest.mark.nightly
def test_two_ranks_build_what_one_does(lmmtc: Lmmtc, run: Path) -> None:
    assert lmmtc("index", run).code == 0
    alone = load(run)
    place = ("--nproc_per_node", 2, "--master_port", free_port())
    said = finish(PROGRAMS / "torchrun", *place, "--no-python", "lmmtc", "index", run, timeout=200)
    assert said.out.count("160 records with dense and sparse keys") == 1
    together = load(run)
    assert len(together.meta.blocks) == 2
    assert together.names.rows.equals(alone.names.rows.combine_chunks())
    asked = ["topic 10 and topic 11", "topic 20"]
    ours, theirs = (index.find("sparse", asked, 5) for index in (together, alone))
    assert ours.positions_BK.tolist() == theirs.positions_BK.tolist()
    assert ours.label_N.tolist() == theirs.label_N.tolist()


@pytest.mark.parametrize("option", ["--add", "--remove"])
def test_a_change_on_several_ranks_is_refused(
    lmmtc: Lmmtc, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    place = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": 1}
    for name, value in place.items():
        monkeypatch.setenv(name, str(value))
    said = lmmtc("index", run, option, tmp_path / "file")
    assert said.code == 78
    assert f"ConfigError: lmmtc index {option}: was started on 2 ranks (WORLD_SIZE)" in said.err


def test_what_cannot_be_is_said(lmmtc: Lmmtc, run: Path, tmp_path: Path) -> None:
    new = write_records(tmp_path / "new.jsonl", ("a", "topic 1", ["label 1"]), ("b", "topic 2", ["label1"]))
    (tmp_path / "gone").write_text("nobody\n", encoding="utf-8")
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    folder = run / "neighbours"
    none = f"ConfigError: {folder}: there is no neighbour index: build it with `lmmtc index {run}`\n"
    for words in (("--add", new), ("--remove", tmp_path / "gone")):
        assert (lmmtc("index", run, *words).code, lmmtc("index", run, *words).err) == (78, none)
    both = "ConfigError: lmmtc index: give --add or --remove, one at a time\n"
    assert lmmtc("index", run, "--add", new, "--remove", new).err == both
    said = lmmtc("index", run, "--add", new, "--records", 5)
    assert (said.code, said.err.split(": ")[0:2]) == (78, ["ConfigError", "lmmtc index"])
    assert lmmtc("index", run, "--records", 20).code == 0
    said = lmmtc("index", run, "--remove", tmp_path / "gone")
    assert (said.code, said.err) == (
        78,
        f"DataError: record 'nobody': does not stand in {folder}: nothing was removed\n",
    )
    assert lmmtc("index", run, "--remove", tmp_path / "empty").err == (
        f"DataError: {tmp_path / 'empty'}: holds no record id\n"
    )
    said = lmmtc("index", run, "--add", new)
    assert said.code == 78
    assert said.err.startswith(
        "UnknownLabelError: new.jsonl:2: label 'label1': must be one of the 48 labels; nearest: "
    )
    assert load(run).meta.records == 20


def test_an_extended_run_keeps_the_index_and_learns_records_of_new_labels(
    lmmtc: Lmmtc, run: Path, tmp_path: Path
) -> None:
    assert lmmtc("index", run).code == 0
    (tmp_path / "labels.tsv").write_text("far away\tnobody asks for it\n", encoding="utf-8")
    assert lmmtc("extend", run, tmp_path / "labels.tsv", tmp_path / "longer").code == 0
    new = write_records(tmp_path / "new.jsonl", ("new", "topic 10 and topic 12 and topic 20", ["far away"]))
    said = lmmtc("index", tmp_path / "longer", "--add", new)
    assert said.code == 0, said.err
    index, model = load(tmp_path / "longer"), TrainedModel.load(tmp_path / "longer")
    votes = index.vote("sparse", ["topic 10 and topic 12 and topic 20"])
    assert "far away" in model.vocabulary.names_of(votes.ids_BM[votes.ids_BM >= 0].tolist())


def test_an_exported_folder_says_that_the_index_is_not_there(lmmtc: Lmmtc, run: Path, tmp_path: Path) -> None:
    for name in ("without", "with"):
        assert lmmtc("export", run, tmp_path / name).code == 0
        readme = (tmp_path / name / "README.md").read_text(encoding="utf-8")
        assert ("The run has a neighbour index of its training records" in readme) == (name == "with")
        assert not (tmp_path / name / "neighbours").exists()
        assert lmmtc("index", run, "--records", 20).code == 0
