"""Records that are added, replaced and removed, and what of them is left on the disk."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from sharding import DataError, Dataset, Record, UnknownLabelError
from tests.trainer.neighbours.models import settings, tiny_model
from trainer.errors import ConfigError
from trainer.inference.loading import TrainedModel
from trainer.neighbours import (
    Change,
    IndexFolder,
    IndexMeta,
    NeighbourIndex,
    VoteRule,
    add_records,
    build_index,
    fingerprint,
    remove_records,
)
from trainer.neighbours.encoding import encode_queries, tokenized
from trainer.neighbours.records import text_hash

NEW = (
    Record("new", "topic 10 and topic 12 and topic 20 and topic 15 and topic 30", ("label 40", "label 5", "label 40")),
    Record("7", "topic 10 and topic 11 and topic 12", ("label 10",)),
)


@pytest.fixture(scope="module")
def model(tiny_dataset: Path, tiny_encoder: Path) -> TrainedModel:
    return tiny_model(tiny_dataset, tiny_encoder)


@pytest.fixture
def folder(model: TrainedModel, tiny_dataset: Path, tmp_path: Path) -> Path:
    """Build an index of 60 records, of which "7" may be one or not."""
    build_index(model, Dataset.open(tiny_dataset), settings(records=60), tmp_path / "run" / "neighbours")
    return tmp_path / "run" / "neighbours"


def load(folder: Path, model: TrainedModel) -> NeighbourIndex:
    return NeighbourIndex.load(folder, fingerprint(model), model.vocabulary)


def ids_of(folder: Path) -> list[str]:
    return IndexFolder(folder).rows(IndexMeta.read(folder))["id"].to_pylist()


def where(records: Sequence[Record]) -> Iterator[tuple[str, Record]]:
    return ((f"new.jsonl:{number}", record) for number, record in enumerate(records, 1))


def kept(folder: Path, model: TrainedModel) -> dict[str, tuple[bytes, bytes, tuple[int, ...], bytes]]:
    """Collect of each record its keys, labels and hash, by id."""
    index = load(folder, model)
    dense = index.keys["dense"].keys_RE.view(torch.uint8).numpy()  # pyright: ignore[reportAttributeAccessIssue]
    sparse = index.keys["sparse"].keys_RV.toarray()  # pyright: ignore[reportAttributeAccessIssue]
    rows = index.names.rows.to_pylist()
    return {
        row["id"]: (dense[place].tobytes(), sparse[place].tobytes(), tuple(row["labels"]), row["text_hash"])
        for place, row in enumerate(rows)
    }


def test_an_added_record_is_found_at_once_by_its_words_and_by_its_query(model: TrainedModel, folder: Path) -> None:
    free = [name for name in ids_of(folder) if name != "7"][:2]
    remove_records(folder, free)
    was_there = "7" in ids_of(folder)
    change = add_records(folder, model, where(NEW))
    assert change == Change(added=2, replaced=int(was_there), removed=0, records=60 - int(was_there))
    index = load(folder, model)
    query = encode_queries(model, tokenized(model, ["?"], [NEW[0].text]))
    for kind, asked in (("dense", query), ("sparse", [NEW[0].text])):
        found = index.find(kind, asked)
        place = found.positions_BK[0].tolist().index(int(index.positions(["new"])))
        assert float(found.cosines_BK[0, place]) == pytest.approx(1, abs=4e-3)  # keys are rounded to bf16
        labels = model.vocabulary.names_of(index.vote(kind, asked).ids_BM[0].tolist())
        assert {"label 5", "label 40"} <= set(labels)


def test_of_two_records_of_one_id_the_newer_is_kept(model: TrainedModel, folder: Path) -> None:
    before, name = kept(folder, model), ids_of(folder)[3]
    change = add_records(folder, model, where([Record(name, "topic 13 and topic 14", ("label 13",))]))
    assert change == Change(added=1, replaced=1, removed=0, records=60)
    after = kept(folder, model)
    assert {each for each in after if after[each] != before[each]} == {name}
    assert after[name][2:] == ((model.vocabulary.id_of("label 13"),), text_hash("topic 13 and topic 14"))
    assert ids_of(folder)[-1] == name


def test_what_is_removed_is_gone_from_the_disk_and_all_else_stays(model: TrainedModel, folder: Path) -> None:
    before, ids = kept(folder, model), ids_of(folder)
    gone = [ids[0], ids[31], ids[59]]
    assert remove_records(folder, gone) == Change(added=0, replaced=0, removed=3, records=57)
    assert kept(folder, model) == {name: own for name, own in before.items() if name not in gone}
    assert ids_of(folder) == [name for name in ids if name not in gone]
    files = {path.name for path in folder.iterdir()}
    assert len(files) == 5  # meta.json, statistics, and one block of records and keys
    content = b"".join(path.read_bytes() for path in folder.iterdir())
    left = {own[0] for own in kept(folder, model).values()}
    for name in gone:
        dense, _, _, text = before[name]
        assert dense in left or dense not in content
        assert text not in content or text in {own[3] for own in kept(folder, model).values()}


def test_all_can_be_removed_and_others_added(model: TrainedModel, folder: Path) -> None:
    assert remove_records(folder, ids_of(folder)).records == 0
    index = load(folder, model)
    for kind, asked in (("dense", torch.ones(2, 20)), ("sparse", ["topic 10", ""])):
        assert index.vote(kind, asked).ids_BM.shape == (2, 0)
    assert index.num_duplicates(["topic 10"]) == (0, 0)
    add_records(folder, model, where(NEW))
    assert ids_of(folder) == ["new", "7"]
    assert load(folder, model).vote("sparse", [NEW[1].text], VoteRule(1, 2)).ids_BM.tolist() == [
        [model.vocabulary.id_of("label 10")]
    ]


def test_many_changes_come_to_what_one_would(model: TrainedModel, folder: Path) -> None:
    ids = ids_of(folder)
    remove_records(folder, ids[:20])
    for number in range(5):
        add_records(folder, model, where([Record(f"n{number}", f"topic {10 + number}", (f"label {number}",))]))
    assert len(IndexMeta.read(folder).blocks) == 6
    remove_records(folder, ["n1", ids[30], "n3"])
    assert ids_of(folder) == [name for name in ids[20:] if name != ids[30]] + ["n0", "n2", "n4"]
    own = kept(folder, model)
    assert own["n4"][2] == (model.vocabulary.id_of("label 4"),)
    assert np.frombuffer(own["n4"][1], np.float32).any()


def test_what_a_killed_change_has_left_goes_with_the_next(model: TrainedModel, folder: Path) -> None:
    before, meta = kept(folder, model), (folder / "meta.json").read_text()
    remove_records(folder, ids_of(folder)[:1])
    left = [folder / f"{dot}records-000009-0000000000-0000000001.arrow" for dot in ("", ".")]
    for path in (*left, folder / "notes.txt"):
        path.write_bytes(b"half a file")
    assert load(folder, model).meta.records == 59
    add_records(folder, model, where(NEW[:1]))
    assert not any(path.exists() for path in left)
    assert (folder / "notes.txt").exists()  # nobody's business
    assert meta != (folder / "meta.json").read_text()
    assert len(before.keys() & kept(folder, model).keys()) == 59


def test_an_unknown_id_is_named_and_nothing_is_removed(folder: Path) -> None:
    known = ids_of(folder)[0]
    with pytest.raises(DataError, match=rf"^record 'x': does not stand in {folder}, nor do 1 more: nothing was rem"):
        remove_records(folder, [known, "x", "y"])
    assert known in ids_of(folder)


def test_a_label_that_the_run_lacks_is_named_with_its_record(model: TrainedModel, folder: Path) -> None:
    records = [NEW[0], Record("b", "topic 1", ("label 4O",))]
    with pytest.raises(UnknownLabelError, match=r"^new.jsonl:2: label 'label 4O': must be one of the 48 labels; near"):
        add_records(folder, model, where(records))
    assert len(ids_of(folder)) == 60


def test_an_id_that_comes_twice_is_refused(model: TrainedModel, folder: Path) -> None:
    with pytest.raises(DataError, match=r"^new.jsonl:1: record 'new': is there 2 times: give each id once$"):
        add_records(folder, model, where([NEW[0], NEW[0]]))


def test_no_more_records_than_the_setting_allows(model: TrainedModel, folder: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"would hold 61 records, and neighbours.records = 60 are the most that it was"
    ):
        add_records(folder, model, where(NEW[:1]))
    assert len(ids_of(folder)) == 60


def test_the_weights_of_words_stay_those_of_the_build(model: TrainedModel, folder: Path) -> None:
    before = IndexFolder(folder).statistics(IndexMeta.read(folder))
    remove_records(folder, ids_of(folder)[:2])
    add_records(folder, model, where(NEW[:1]))
    after = IndexFolder(folder).statistics(IndexMeta.read(folder))
    assert torch.equal(after.mean_E, before.mean_E)
    assert torch.equal(after.frequencies, before.frequencies)
    assert IndexMeta.read(folder).idf_records == 60
