"""Micro-batches: padded texts, and numbers that depend on the record alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sharding import Dataset, RecordBatch, StreamState, TokenizerSpec, TrainStream, sequential
from trainer.config import ClozeSection, DataSection, MlmSection
from trainer.data import Collator, TextBatch, columns, own_labels, pad_texts

SPEC = TokenizerSpec("", 30, prefix=(1, 5), suffix=(2,), mask_id=3, pad_id=0, special_ids=(0, 1, 2, 3, 5))
MAX_TOKENS = 8


@given(st.lists(st.lists(st.integers(1, 29), max_size=9), min_size=1, max_size=5))
def test_texts_stand_between_special_tokens_cut_and_padded(texts: list[list[int]]) -> None:
    tokens = np.array([token for text in texts for token in text], dtype=np.uint16)
    ids_BT, real_BT, maskable_BT = pad_texts(tokens, np.cumsum([0, *map(len, texts)]), SPEC, MAX_TOKENS)
    whole = [[1, 5, *text[: MAX_TOKENS - 3], 2] for text in texts]
    longest = max(map(len, whole))
    assert ids_BT.tolist() == [text + [0] * (longest - len(text)) for text in whole]
    assert real_BT.sum(axis=1).tolist() == [len(text) for text in whole]
    assert np.array_equal(real_BT, np.sort(real_BT, axis=1)[:, ::-1])  # padding is behind
    cut = [text[: MAX_TOKENS - 3] for text in texts]
    may = [[False] * 2 + [token not in SPEC.special_ids for token in text] for text in cut]
    assert maskable_BT.tolist() == [places + [False] * (longest - len(places)) for places in may]


@given(st.lists(st.lists(st.integers(1, 29), max_size=9), min_size=1, max_size=5))
def test_without_special_tokens_an_empty_text_is_one_padding_token(texts: list[list[int]]) -> None:
    tokens = np.array([token for text in texts for token in text], dtype=np.uint16)
    plain = replace(SPEC, prefix=(), suffix=())
    ids_BT, real_BT, maskable_BT = pad_texts(tokens, np.cumsum([0, *map(len, texts)]), plain, MAX_TOKENS)
    whole = [text[:MAX_TOKENS] or [plain.pad_id] for text in texts]
    longest = max(map(len, whole))
    assert ids_BT.tolist() == [text + [plain.pad_id] * (longest - len(text)) for text in whole]
    assert real_BT.sum(axis=1).tolist() == [len(text) for text in whole]
    assert real_BT[:, 0].all()
    assert not maskable_BT[ids_BT == plain.pad_id].any()


@pytest.fixture(scope="module")
def dataset(tiny_dataset: Path) -> Dataset:
    return Dataset.open(tiny_dataset)


@pytest.fixture(scope="module")
def records(dataset: Dataset) -> RecordBatch:
    return next(TrainStream(dataset, "train", seed=1, global_batch=32).batches(StreamState()))[0]


@pytest.fixture(scope="module")
def collate(dataset: Dataset) -> Collator:
    cloze = ClozeSection(all_masked=0.0, flip=0.2)
    return Collator(dataset.manifest.tokenizer, len(dataset.vocabulary), 16, 1, MlmSection(probability=0.4), cloze)


def test_a_record_is_masked_and_revealed_alike_in_any_batch(collate: Collator, records: RecordBatch) -> None:
    together = collate(records)
    for place in range(len(records.weights)):
        alone = collate(records.slice(place, place + 1))
        length, shown = alone.ids_BT.shape[1], alone.revealed_BV.shape[1]
        assert torch.equal(together.ids_BT[place, :length], alone.ids_BT[0])
        assert torch.equal(together.masked_BT[place, :length], alone.masked_BT[0])
        assert torch.equal(together.revealed_BV[place, :shown], alone.revealed_BV[0])
        assert not together.mask_BT[place, length:].any()
        assert bool((together.revealed_BV[place, shown:] == -1).all())
    assert bool(together.masked_BT.any())
    assert bool((together.revealed_BV >= 0).any())


def shown(batch: TextBatch, record: int) -> dict[int, int]:
    """Name the labels that a record reveals, and their states."""
    pairs = zip(batch.revealed_BV[record].tolist(), batch.revealed_states_BV[record].tolist(), strict=True)
    return {label: state for label, state in pairs if label >= 0}


def test_what_a_record_denies_and_what_is_cut_depends_on_no_other(collate: Collator, records: RecordBatch) -> None:
    settings = {"all_masked": 0.2, "shown_no": 1.5, "nearly_all": 0.3, "denied": 0.5, "without_text": 0.5}
    together = replace(collate, cloze=ClozeSection.model_validate(settings))
    whole, uncut = together(records), collate(records)
    for place in range(len(records.weights)):
        alone = together(records.slice(place, place + 1))
        assert bool(alone.denied_B[0]) == bool(whole.denied_B[place])
        assert int(alone.mask_BT.sum()) == int(whole.mask_BT[place].sum())
        assert shown(alone, 0) == shown(whole, place)
    assert 0 < int(whole.denied_B.sum()) < len(whole.denied_B)
    is_cut_B = whole.mask_BT.sum(dim=1) < uncut.mask_BT.sum(dim=1)
    assert bool(is_cut_B.any())
    assert not bool((is_cut_B & ~(whole.revealed_BV >= 0).any(dim=1)).any())


def test_a_record_that_reveals_all_it_may_denies_nothing(collate: Collator, records: RecordBatch) -> None:
    settings = {"all_masked": 0.2, "nearly_all": 1.0, "max_context": 2, "denied": 1.0}
    batch = replace(collate, cloze=ClozeSection.model_validate(settings))(records)
    shown_B = (batch.revealed_BV >= 0).sum(dim=1)
    assert set(shown_B.tolist()) == {0, 1, 2}
    assert torch.equal(batch.denied_B, shown_B < 2)


def test_a_batch_keeps_the_original_tokens_and_labels(collate: Collator, records: RecordBatch) -> None:
    batch = collate(records)
    assert torch.equal(batch.ids_BT[~batch.masked_BT], batch.originals_BT[~batch.masked_BT])
    labels = records.table["labels"].to_pylist()
    assert batch.labels.tolist() == [label for own in labels for label in own]
    assert batch.label_records().tolist() == [record for record, own in enumerate(labels) for _ in own]
    assert batch.records() == len(labels)


def test_special_tokens_and_padding_records_are_never_masked(dataset: Dataset, collate: Collator) -> None:
    batches = [collate(records) for records in sequential(dataset.split("dev"), batch=16)]
    assert [batch.records() for batch in batches] == [16, 16, 8]  # the last one holds padding
    for batch in batches:
        special = torch.isin(batch.originals_BT, torch.tensor(dataset.manifest.tokenizer.special_ids))
        assert not (batch.masked_BT & special).any()
        assert not batch.masked_BT[batch.weights_B == 0].any()


def test_without_training_settings_nothing_is_masked_or_revealed(dataset: Dataset, records: RecordBatch) -> None:
    batch = Collator(dataset.manifest.tokenizer, len(dataset.vocabulary), 16)(records)
    assert torch.equal(batch.ids_BT, batch.originals_BT)
    assert not batch.masked_BT.any()
    assert batch.revealed_BV.shape == (32, 0)


def test_nothing_is_masked_after_the_last_masked_step(collate: Collator, records: RecordBatch) -> None:
    until_two = replace(collate, masked_steps=2)
    assert bool(until_two(records, 2).masked_BT.any())
    after = until_two(records, 3)
    assert not after.masked_BT.any()
    assert torch.equal(after.ids_BT, after.originals_BT)


def test_a_record_is_barred_from_the_label_that_has_its_name(dataset: Dataset, collate: Collator) -> None:
    data = DataSection(dataset=dataset.path, bar_own_label=True)
    records = next(sequential(dataset.split("train"), batch=8, columns=columns(data)))
    names = records.table["id"].to_pylist()
    own = replace(collate, own_labels={names[1]: 5, names[6]: 0})
    assert own(records).excluded_BN.tolist() == [[-1], [5], [-1], [-1], [-1], [-1], [0], [-1]]
    assert collate(records).excluded_BN.shape == (8, 0)


def test_own_labels_are_known_only_where_they_are_barred(dataset: Dataset) -> None:
    excluded, proposed = (DataSection(dataset=dataset.path, bar_own_label=bar) for bar in (True, False))
    assert own_labels(excluded, dataset.vocabulary) == dataset.vocabulary.ids
    assert own_labels(proposed, dataset.vocabulary) is None
    assert set(columns(excluded)) - set(columns(proposed)) == {"id"}
    assert columns(proposed, ids=True) == columns(excluded)
