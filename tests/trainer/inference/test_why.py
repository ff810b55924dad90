"""Integrated gradients: the weights of words and labels add up to what they have changed."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sharding import Record
from trainer.errors import ConfigError
from trainer.inference.loading import TrainedModel
from trainer.inference.predict import as_batch
from trainer.inference.why import why

pytestmark = pytest.mark.ranks

RECORD = Record("", "topic 3, topic 9 and topic 12 ", ())


@pytest.fixture(scope="module")
def model(context_run: Path) -> TrainedModel:
    return TrainedModel.load(context_run)


def score(model: TrainedModel, label: int, *, masked: bool = False) -> float:
    """Score a label by the scan, for the text or for as many mask tokens."""
    with model.ranker.asking(as_batch(model, [RECORD])) as batch:
        masks_BT = torch.full_like(batch.ids_BT, model.tokenizer.spec.mask_id)
        shown = replace(batch, ids_BT=masks_BT, originals_BT=masks_BT) if masked else batch
        query_BE = model.ranker.read(shown).query_BE
        return float(model.ranker.logits(query_BE, torch.tensor([[label]]))[0, 0])


def test_a_word_has_the_weights_of_its_tokens(model: TrainedModel) -> None:
    assert [word for word, _ in why(model, RECORD, "label 9").words] == [
        "topic",
        "3,",
        "topic",
        "9",
        "and",
        "topic",
        "12",
    ]


def test_all_weights_add_up_to_the_score_over_that_of_masks(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The marks around a text are tokens, and no words: here their weights count, too.
    monkeypatch.setattr("trainer.inference.why._words", lambda _model, _text, weights: [("all", sum(weights))])
    [(_, total)] = why(model, RECORD, "label 9", steps=256).words
    label = model.vocabulary.id_of("label 9")
    change = score(model, label) - score(model, label, masked=True)
    assert abs(change) > 0.1
    assert total == pytest.approx(change, rel=0.01)  # a sum of 256 gradients for an integral


def test_given_labels_have_weights_of_their_own(model: TrainedModel) -> None:
    record = replace(RECORD, given=(("label 3", True), ("label 4", False)))
    found = why(model, record, "label 9")
    assert [label for label, _ in found.labels] == ["label 3", "label 4"]
    assert any(weight for _, weight in found.labels)
    assert why(model, RECORD, "label 9").labels == ()


def test_it_leaves_the_model_as_it_was(model: TrainedModel) -> None:
    before = score(model, 3)
    why(model, RECORD, "label 9")
    assert score(model, 3) == before
    assert all(parameter.grad is None for parameter in model.ranker.model.parameters())


def test_a_run_without_a_scan_has_no_query_to_ask(model: TrainedModel) -> None:
    slots: Any = SimpleNamespace(scans=False)
    with pytest.raises(ConfigError, match="has no scan"):
        why(replace(model, ranker=replace(model.ranker, labels=slots)), RECORD, "label 9")
