"""`--prior-weight` of `lmmtc evaluate` and `lmmtc predict`: what each label's bias counts, and what is no weight."""

import json
from pathlib import Path

import pytest

from sharding import Record
from tests.launcher.conftest import Lmmtc, copy_with
from trainer.inference.loading import TrainedModel
from trainer.inference.predict import Prediction, predict

pytestmark = pytest.mark.ranks


@pytest.fixture
def all_ranked(without_cloze: Path, tmp_path: Path) -> Path:
    """Let a scan alone rank all 48 labels."""
    return copy_with(without_cloze, tmp_path / "all ranked", "cloze", "shortlist", value=48)


def test_each_bias_counts_so_many_times(all_ranked: Path) -> None:
    model = TrainedModel.load(all_ranked)
    biases_L = model.ranker.labels.table.biases_R2[:, 0].tolist()
    records = [Record("", "topic 3 and topic 9", ())]
    never, once, thrice = (
        dict(zip(answer.labels, answer.scores, strict=True))
        for weight in (0, 1, 3)
        for answer in predict(model.weighing_prior(weight), records, 48)
    )
    for label, bias in zip(model.vocabulary.names.to_pylist(), biases_L, strict=True):
        assert once[label] == pytest.approx(never[label] + bias, abs=1e-4)  # fp32: numbers up to 10
        assert thrice[label] == pytest.approx(never[label] + 3 * bias, abs=1e-4)


def test_with_a_great_weight_the_most_frequent_label_is_the_answer(lmmtc: Lmmtc, all_ranked: Path) -> None:
    model = TrainedModel.load(all_ranked)
    best = model.vocabulary.names[int(model.ranker.labels.table.biases_R2[:, 0].argmax())]
    words = ("predict", all_ranked, "--text", "topic 1", "--top", 1, "--prior-weight")
    assert f" {best} " not in lmmtc(*words, 0).out
    said = lmmtc(*words, 1000)
    assert said.code == 0, said.err
    assert f" {best} " in said.out


def test_a_run_is_judged_by_what_it_then_predicts(lmmtc: Lmmtc, trained: Path, tiny_dataset: Path) -> None:
    lines = list(map(json.loads, tiny_dataset.with_name("tiny.jsonl").read_text(encoding="utf-8").splitlines()))
    labelled = {line["id"]: line for line in lines if line["split"] == "dev" and line["labels"]}
    records = [Record(key, line["text"], ()) for key, line in labelled.items()]

    def answers(weight: float) -> list[Prediction]:
        return list(predict(TrainedModel.load(trained).weighing_prior(weight), records, 3))

    weighed = answers(5)
    assert [answer.labels for answer in weighed] != [answer.labels for answer in answers(1)]
    said = lmmtc("evaluate", trained, "--split", "dev", "--prior-weight", 5)
    assert said.code == 0, said.err
    written = json.loads((trained / "evaluation.json").read_text())
    assert written["prior weight"] == 5
    hits = sum(name in labelled[answer.id]["labels"] for answer in weighed for name in answer.labels)
    assert written["scan+cloze"]["P@3"] == pytest.approx(hits / 3 / len(records))


@pytest.mark.parametrize("weight", ["nan", "inf", "-1.0"])
@pytest.mark.parametrize("command", [("evaluate",), ("predict", "--text", "x")])
def test_what_is_no_weight_is_refused(lmmtc: Lmmtc, trained: Path, command: tuple[str, ...], weight: str) -> None:
    said = lmmtc(*command, trained, "--prior-weight", weight)
    assert (said.code, said.err) == (78, f"ConfigError: prior weight {weight}: must be a number of at least 0\n")
