"""Peers train in a Python of their own, and their answers are judged as ours are."""

import json
import os
import sys
from pathlib import Path

import pytest

from benchmarks.quality.peers import standing
from benchmarks.quality.peers.standing import PEERS, Peer, answers, judged
from benchmarks.quality.peers.task import read, write
from sharding import DataError, Dataset, convert

KNOWN = {"P@1": 45.3}


@pytest.fixture
def dataset(tmp_path: Path, tokenizer_folder: Path) -> Dataset:
    """Make four labels, of which "new" has no training record."""
    records = [
        {"id": "1", "split": "train", "text": "", "labels": ["a", "b"]},
        {"id": "2", "split": "train", "text": "", "labels": ["a"]},
        {"id": "3", "split": "train", "text": "", "labels": ["c"]},
        {"id": "4", "split": "test", "text": "", "labels": ["a", "new"]},
        {"id": "5", "split": "test", "text": "", "labels": ["b", "c"]},
        {"id": "6", "split": "test", "text": "", "labels": ["new"]},
    ]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    convert(tmp_path / "corpus.jsonl", tmp_path / "shards", tokenizer_folder)
    return Dataset.open(tmp_path / "shards")


def test_records_and_labels_that_training_did_not_see_do_not_count(dataset: Dataset) -> None:
    metrics = judged({"4": ["a", "b"], "5": ["a", "c", "b"], "6": ["a"]}, dataset, 3)
    assert metrics["P@1"] == pytest.approx(1 / 2)
    assert metrics["P@3"] == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert metrics["recall@K"] == pytest.approx(1)


def test_labels_without_a_training_record_can_be_part_of_the_truth(dataset: Dataset) -> None:
    metrics = judged({"4": ["a"], "5": ["a"], "6": ["a"]}, dataset, 3, seen_only=False)
    assert metrics["P@1"] == pytest.approx(1 / 3)
    assert metrics["recall@K"] == pytest.approx(1 / 5)


def test_without_a_python_that_has_the_peer_its_known_figures_stand(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LMMTC_OMIKUJI", raising=False)
    assert standing.standing(standing.BONSAI, KNOWN, dataset, tmp_path, 3) == ("Bonsai, known figures", KNOWN)


def test_a_peer_runs_once_and_its_own_figures_stand(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import json, pathlib, sys",
        "corpus, answers, top = sys.argv[1:]",
        "ids = [record['id'] for record in map(json.loads, open(corpus)) if record['split'] == 'test']",
        "pathlib.Path(answers).write_text(''.join(json.dumps({'id': i, 'labels': ['a']}) + chr(10) for i in ids))",
        "with open(pathlib.Path(corpus).with_name('runs'), 'a') as runs: runs.write(top + chr(10))",
    )
    (tmp_path / "always_a.py").write_text("\n".join(script))
    monkeypatch.setattr(standing, "SCRIPTS", tmp_path)
    monkeypatch.setenv("LMMTC_ALWAYS_A", sys.executable)
    peer = Peer("Always a", "always_a.py", "LMMTC_ALWAYS_A")
    name, percents = standing.standing(peer, KNOWN, dataset, tmp_path, 3)
    assert (name, percents["P@1"]) == ("Always a, run beside ours", 50)
    assert standing.standing(peer, KNOWN, dataset, tmp_path, 3) == (name, percents)
    assert (tmp_path / "runs").read_text() == "3\n"


def test_a_peer_that_fails_is_named_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fails.py").write_text("import sys\nsys.exit('no memory')")
    monkeypatch.setattr(standing, "SCRIPTS", tmp_path)
    with pytest.raises(DataError) as refused:
        answers(Peer("Fails", "fails.py", "UNUSED"), sys.executable, tmp_path, 3)
    log = tmp_path / "fails-top-3.log"
    assert str(refused.value) == f"Fails: {sys.executable} ended with 1; what it said is in {log}"
    assert log.read_text() == "no memory\n"


def test_words_are_weighed_by_their_frequency_and_rarity(tmp_path: Path) -> None:
    texts = ("a port", "a port b", "b", "a a unknown")
    splits = ("train", "train", "train", "test")
    with (tmp_path / "corpus.jsonl").open("w") as file:
        for number, (text, split) in enumerate(zip(texts, splits, strict=True)):
            file.write(
                json.dumps({"id": str(number), "split": split, "text": text, "labels": [f"l{number % 2}"]}) + "\n"
            )
    task = read(tmp_path / "corpus.jsonl")
    # Terms of two training records or more: "a", "a port", "b", "port", all equally rare.
    assert task.train_NF.shape == (3, 4)
    assert task.train_NF.toarray()[0].tolist() == pytest.approx([3**-0.5, 3**-0.5, 0, 3**-0.5])
    assert task.train_NF.toarray()[2].tolist() == [0, 0, 1, 0]
    assert task.test_MF.toarray().tolist() == [[1, 0, 0, 0]]
    assert task.truth_NL.toarray().tolist() == [[1, 0], [0, 1], [1, 0]]
    write(tmp_path / "answers.jsonl", task, [[1, 0]])
    assert json.loads((tmp_path / "answers.jsonl").read_text()) == {"id": "3", "labels": ["l1", "l0"]}


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_learns_which_word_stands_for_which_label(peer: Peer, tmp_path: Path) -> None:
    if peer.environment not in os.environ:
        pytest.skip(f"{peer.environment} names no Python that has {peer.name}")
    with (tmp_path / "corpus.jsonl").open("w") as file:
        for number in range(400):
            record = {"id": str(number), "split": "test" if number > 360 else "train"}
            labels = sorted({number % 20, number % 7})
            text = " ".join(f"word{label}" for label in labels)
            file.write(json.dumps(record | {"text": text, "labels": [f"l{label}" for label in labels]}) + "\n")
    found = answers(peer, os.environ[peer.environment], tmp_path, 5)
    assert [found[str(number)][0] in {f"l{number % 20}", f"l{number % 7}"} for number in range(361, 400)] == [True] * 39
