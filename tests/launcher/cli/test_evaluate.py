"""`lmmtc evaluate`: its numbers, against loops over the model's own predictions; and what it refuses."""

import json
import math
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sharding import LabelFilter, convert
from tests.launcher.conftest import Lmmtc
from trainer.inference.loading import TrainedModel
from trainer.inference.predict import predict

pytestmark = pytest.mark.ranks

SHORTLIST = 12
OTHERS = ", 'label 47', 'label 37'\n"


@dataclass(frozen=True)
class Case:
    """One record's true labels, and the candidates with their scores, best first."""

    true: frozenset[str]
    names: tuple[str, ...]
    scores: tuple[float, ...]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 30 dev and 41 test records; no two texts are alike, and one has no label."""
    path = tmp_path_factory.mktemp("judged") / "judged.jsonl"
    lines = []
    for number in range(71):
        labels = [] if number == 50 else sorted({number % 44, number * number % 44, number * 7 % 20})
        record = {
            "id": str(number),
            "split": "dev" if number < 30 else "test",
            "text": f"number {number}: " + " and ".join(f"topic {label}" for label in labels),
            "labels": [f"label {label}" for label in labels],
        }
        lines.append(json.dumps(record) + "\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def judged(corpus: Path, trained: Path, tokenizer_folder: Path) -> Path:
    """Shard the corpus with the labels of the run."""
    convert(corpus, corpus.parent / "shards", tokenizer_folder, vocabulary=trained / "model" / "labels.arrow")
    return corpus.parent / "shards"


def records_of(path: Path, split: str) -> list[dict[str, Any]]:
    return [record for record in map(json.loads, path.read_text().splitlines()) if record["split"] == split]


def cases(model: TrainedModel, corpus: Path, split: str) -> list[Case]:
    from sharding import Record

    records = [Record(r["id"], r["text"], tuple(r["labels"])) for r in records_of(corpus, split)]
    answers = predict(model, records, SHORTLIST)
    return [Case(frozenset(r.labels), a.labels, a.scores) for r, a in zip(records, answers, strict=True)]


def precision(case: Case, k: int) -> float:
    return sum(name in case.true for name in case.names[:k]) / k


def recall(case: Case, k: int) -> float:
    return sum(name in case.true for name in case.names[:k]) / len(case.true)


def ndcg(case: Case, k: int) -> float:
    gain = sum(1 / math.log2(place + 2) for place, name in enumerate(case.names[:k]) if name in case.true)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(k, len(case.true))))


def psp(judged: Sequence[Case], weight: Mapping[str, float], k: int) -> float:
    reached = sum(weight[name] for case in judged for name in case.names[:k] if name in case.true)
    best = sum(sum(sorted((weight[name] for name in case.true), reverse=True)[:k]) for case in judged)
    return reached / best


def inverse_propensities(tiny_dataset: Path) -> dict[str, float]:
    train = records_of(tiny_dataset.parent / "tiny.jsonl", "train")
    counts = Counter(label for record in train for label in record["labels"])
    c = (math.log(len(train)) - 1) * 2.5**0.55
    return {f"label {label}": 1 + c * (counts[f"label {label}"] + 1.5) ** -0.55 for label in range(48)}


def confusion(judged: Sequence[Case], threshold: float) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {"hit": Counter(), "predicted": Counter(), "true": Counter()}
    for case in judged:
        predicted = {name for name, score in zip(case.names, case.scores, strict=True) if score >= threshold}
        found["predicted"].update(predicted)
        found["true"].update(case.true)
        found["hit"].update(predicted & case.true)
    return found


def micro_f1(judged: Sequence[Case], threshold: float) -> float:
    found = confusion(judged, threshold)
    return 2 * found["hit"].total() / (found["predicted"].total() + found["true"].total())


def macro_f1(judged: Sequence[Case], threshold: float) -> float:
    found = confusion(judged, threshold)
    each = [2 * found["hit"][name] / (found["predicted"][name] + found["true"][name]) for name in found["true"]]
    return sum(each) / len(each)


def macro_f1_and_coverage(judged: Sequence[Case], k: int) -> tuple[float, float]:
    cut = [Case(case.true, case.names[:k], case.scores[:k]) for case in judged]
    found = confusion(cut, -math.inf)
    return macro_f1(cut, -math.inf), sum(found["hit"][name] > 0 for name in found["true"]) / len(found["true"])


def exact(case: Case, threshold: float) -> bool:
    return case.true == {name for name, score in zip(case.names, case.scores, strict=True) if score >= threshold}


def test_the_numbers_are_those_of_plain_loops_over_the_predictions(
    lmmtc: Lmmtc, trained: Path, corpus: Path, judged: Path, tiny_dataset: Path
) -> None:
    said = lmmtc("evaluate", trained, "--dataset", judged)
    assert said.code == 0, said.err
    written = json.loads((trained / "evaluation.json").read_text())
    assert (written["step"], written["split"], written["records"]) == (12, "test", 41)
    model = TrainedModel.load(trained)
    dev, test = cases(model, corpus, "dev"), cases(model, corpus, "test")
    labelled = [case for case in test if case.true]
    assert len(labelled) == 40
    threshold = max((score for case in dev for score in case.scores), key=lambda at: micro_f1(dev, at))
    weight = inverse_propensities(tiny_dataset)
    expected = {
        "recall@K": sum(len(case.true & set(case.names)) for case in test) / sum(len(case.true) for case in test),
        "threshold": threshold,
        "micro-F1": micro_f1(test, threshold),
        "macro-F1": macro_f1(test, threshold),
        "subset accuracy": sum(exact(case, threshold) for case in test) / len(test),
    }
    for k in (1, 3, 5):
        expected[f"P@{k}"] = sum(precision(case, k) for case in labelled) / len(labelled)
        expected[f"R@{k}"] = sum(recall(case, k) for case in labelled) / len(labelled)
        expected[f"nDCG@{k}"] = sum(ndcg(case, k) for case in labelled) / len(labelled)
        expected[f"PSP@{k}"] = psp(labelled, weight, k)
        expected[f"macro-F1@{k}"], expected[f"coverage@{k}"] = macro_f1_and_coverage(test, k)
    assert expected["recall@K"] > 0.3, "a model that finds nothing would prove nothing"
    # Batches are padded to other lengths here: scores differ in the last bits.
    assert written["scan+cloze"] == pytest.approx(expected, rel=1e-5)
    assert written["scan"]["recall@K"] == written["scan+cloze"]["recall@K"]
    assert f"{100 * expected['P@5']:.1f}" in said.out


def test_labels_are_judged_apart_by_their_training_records(lmmtc: Lmmtc, trained: Path, tiny_dataset: Path) -> None:
    model = TrainedModel.load(trained)
    counts = dict(zip(model.vocabulary.names.to_pylist(), model.vocabulary.counts.tolist(), strict=True))
    test = cases(model, tiny_dataset.with_name("tiny.jsonl"), "dev")
    said = lmmtc("evaluate", trained, "--split", "dev")
    bands = json.loads((trained / "evaluation.json").read_text())["by training records"]
    assert [band["name"] for band in bands] == ["head", "torso", "tail", "unseen"]
    for name, least, most in (("tail", 1, 19), ("unseen", 0, 0)):
        [band] = [band for band in bands if band["name"] == name]
        assigned = [(case, label) for case in test for label in case.true if least <= counts[label] <= most]
        assert band["assignments"] == len(assigned) > 0
        for k in (1, 3, 5):
            found = sum(label in case.names[:k] for case, label in assigned)
            assert band["recall"]["scan+cloze"][f"recall@{k}"] == pytest.approx(found / len(assigned))
        assert f" {name} {least}" in said.out
        assert f"{len(assigned)} (" in said.out


def test_labels_without_a_training_record_can_be_left_out(lmmtc: Lmmtc, trained: Path, tiny_dataset: Path) -> None:
    model = TrainedModel.load(trained)
    seen = set(model.vocabulary.names_of(model.vocabulary.counts.nonzero()[0]))
    test = cases(model, tiny_dataset.with_name("tiny.jsonl"), "dev")
    known = [Case(case.true & seen, tuple(filter(seen.__contains__, case.names)), ()) for case in test]
    labelled = [case for case in known if case.true]
    assert sum(len(case.true) for case in labelled) < sum(len(case.true) for case in test)
    assert lmmtc("evaluate", trained, "--split", "dev", "--labels", "seen").code == 0
    written = json.loads((trained / "evaluation.json").read_text())
    assert (written["labels"], written["records"]) == ("seen", len(labelled))
    for k in (1, 3, 5):
        assert written["scan+cloze"][f"P@{k}"] == pytest.approx(
            sum(precision(case, k) for case in labelled) / len(labelled)
        )
    assert written["by training records"][-1]["assignments"] == 0


def test_filtered_pairs_are_neither_predicted_nor_true(
    lmmtc: Lmmtc, trained: Path, corpus: Path, judged: Path, tmp_path: Path
) -> None:
    model = TrainedModel.load(trained)
    before = cases(model, corpus, "test")
    ids = [record["id"] for record in records_of(corpus, "test")]
    pairs = [(record, name) for record, case in zip(ids, before, strict=True) for name in (*case.names[:2], *case.true)]
    pairs = [*pairs[::3], ("3", "label 3")]  # the last is a dev record
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{record}\t{name}\n" for record, name in pairs), encoding="utf-8")
    test = [
        Case(frozenset(name for name in case.true if (record, name) not in pairs), case.names, case.scores)
        for record, case in zip(
            ids, cases(model.excluding(LabelFilter.read(path, model.vocabulary)), corpus, "test"), strict=True
        )
    ]
    assert not [
        pair for record, case in zip(ids, test, strict=True) for name in case.names if (pair := (record, name)) in pairs
    ]
    said = lmmtc("evaluate", trained, "--dataset", judged, "--filter", path)
    assert said.code == 0, said.err
    written = json.loads((trained / "evaluation.json").read_text())
    assert written["filter"] == str(path)
    labelled = [case for case in test if case.true]
    assert sum(len(case.true) for case in labelled) < sum(len(case.true) for case in before)
    for k in (1, 3, 5):
        wanted = sum(precision(case, k) for case in labelled) / len(labelled)
        assert written["scan+cloze"][f"P@{k}"] == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("999\tlabel 1", "DataError: pairs.tsv:2: record '999': {judged} has no record of this id\n"),
        (
            "50\tlabl 7",
            "UnknownLabelError: pairs.tsv:2: label 'labl 7': must be one of the 48 labels; nearest: 'label 7'" + OTHERS,
        ),
        ("50", "DataError: pairs.tsv:2: b'50': must be a record id, a TAB and a label, in UTF-8\n"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused_with_its_line(
    lmmtc: Lmmtc, trained: Path, judged: Path, tmp_path: Path, line: str, complaint: str
) -> None:
    (tmp_path / "pairs.tsv").write_text(f"50\tlabel 1\n{line}\n", encoding="utf-8")
    said = lmmtc("evaluate", trained, "--dataset", judged, "--filter", tmp_path / "pairs.tsv")
    assert (said.code, said.err) == (78, complaint.format(judged=judged))


def test_only_the_first_records_of_each_split_are_judged_on_request(lmmtc: Lmmtc, trained: Path, judged: Path) -> None:
    assert lmmtc("evaluate", trained, "--dataset", judged, "--records", "7").code == 0
    assert json.loads((trained / "evaluation.json").read_text())["records"] == 7


def test_the_number_of_refining_steps_is_written_with_the_results(lmmtc: Lmmtc, trained: Path, judged: Path) -> None:
    for refine in (2, 0):
        said = lmmtc("evaluate", trained, "--dataset", judged, "--records", 3, "--refine", refine)
        assert said.code == 0, said.err
        assert json.loads((trained / "evaluation.json").read_text())["refine"] == refine


def test_a_run_without_a_cloze_cannot_be_refined(lmmtc: Lmmtc, without_cloze: Path, judged: Path) -> None:
    said = lmmtc("evaluate", without_cloze, "--dataset", judged, "--refine", 1)
    assert (said.code, said.err) == (
        78,
        "ConfigError: cloze.enabled = false: without context and slots, no label can be given and no answer refined\n",
    )


def test_a_split_that_is_not_there_is_named_with_those_that_are(
    lmmtc: Lmmtc, trained: Path, tiny_dataset: Path
) -> None:
    said = lmmtc("evaluate", trained)
    assert (said.code, said.err) == (78, f"DataError: split 'test': {tiny_dataset} has only dev, train\n")


def test_a_data_set_with_other_labels_is_refused(
    lmmtc: Lmmtc, trained: Path, corpus: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    convert(corpus, tmp_path / "other", tokenizer_folder)
    said = lmmtc("evaluate", trained, "--dataset", tmp_path / "other")
    assert said.code == 78
    assert said.err == (
        f"DataError: {tmp_path / 'other'}: has other labels than {trained} was trained on; "
        f"shard it again with --vocabulary {trained / 'model' / 'labels.arrow'}\n"
    )


def test_a_folder_that_is_no_run_is_named(lmmtc: Lmmtc, tmp_path: Path) -> None:
    said = lmmtc("evaluate", tmp_path)
    assert (said.code, said.err) == (
        78,
        f"ConfigError: {tmp_path}: is not the folder of a run: it has no config.json\n",
    )


def test_a_run_without_a_checkpoint_is_named(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    said = lmmtc("evaluate", run)
    assert (said.code, said.err) == (
        1,
        f"CheckpointError: {run / 'checkpoints'}: there is no checkpoint yet; train the run first\n",
    )
