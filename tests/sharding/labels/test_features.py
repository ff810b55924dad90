"""What labels are like, against dense arithmetic and scikit-learn's TF-IDF."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import normalize

from sharding import CorruptShardError
from sharding.labels import label_features
from sharding.records import shard_schema

NUM_LABELS, NUM_TOKENS = 6, 9

Record = tuple[set[int], list[int]]  # labels and tokens

SCHEMA = shard_schema(NUM_TOKENS)
RECORDS = st.tuples(st.sets(st.integers(0, NUM_LABELS - 1)), st.lists(st.integers(0, NUM_TOKENS - 1), max_size=6))
CORPORA = st.lists(RECORDS, min_size=1, max_size=20)
OWN_TOKENS = st.lists(st.lists(st.integers(0, NUM_TOKENS - 1), max_size=4), min_size=NUM_LABELS, max_size=NUM_LABELS)


def cut(records: list[Record], rows: int) -> Iterator[tuple[Path, pa.RecordBatch]]:
    for start in range(0, len(records), rows):
        piece = records[start : start + rows]
        columns = [[tokens for _, tokens in piece], [sorted(labels) for labels, _ in piece]]
        arrays = [pa.array(values, SCHEMA.field(name).type) for name, values in zip(COLUMNS, columns, strict=True)]
        yield Path(f"{start}.arrow"), pa.record_batch(arrays, COLUMNS)


COLUMNS = ["tokens", "labels"]


def features(records: list[Record], own_tokens: list[list[int]], rows: int = 7) -> np.ndarray:
    found = label_features(partial(cut, records, rows), own_tokens, NUM_TOKENS)
    assert found.dtype == np.float32
    return found.toarray()


def dense(lists: list[Any], width: int) -> np.ndarray:
    return np.array([np.bincount(list(values), minlength=width) for values in lists])


def stated_densely(records: list[Record], own_tokens: list[list[int]]) -> np.ndarray:
    labels_NL = dense([labels for labels, _ in records], NUM_LABELS)
    tokens_NF = dense([tokens for _, tokens in records], NUM_TOKENS)
    tf_idf = TfidfTransformer().fit(tokens_NF)
    rows = []
    for label, own in enumerate(own_tokens):
        with_it = labels_NL[:, label] > 0
        its_texts = tokens_NF[with_it] if with_it.any() else dense([own], NUM_TOKENS)
        words_F = normalize(tf_idf.transform(its_texts).toarray().mean(axis=0)[None])[0]
        together_L = np.log(1 + labels_NL[with_it].sum(axis=0))
        rows.append([*together_L, *words_F * np.log(1 + max(with_it.sum(), 1))])
    return np.array(rows)


# float32 rounds to 6e-8 of a number; no entry is above log(21) = 3.0.
close = partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-6)


@given(CORPORA, OWN_TOKENS)
def test_features_are_cooccurrence_and_mean_tf_idf(records: list[Record], own_tokens: list[list[int]]) -> None:
    close(features(records, own_tokens), stated_densely(records, own_tokens))


@given(CORPORA, OWN_TOKENS, st.integers(1, 20), st.randoms(use_true_random=False))
def test_how_records_are_spread_over_shards_is_without_effect(
    records: list[Record], own_tokens: list[list[int]], rows: int, random: Any
) -> None:
    shuffled = random.sample(records, len(records))
    close(features(shuffled, own_tokens, rows), features(records, own_tokens))


def test_a_label_without_a_record_is_described_by_its_text() -> None:
    records: list[Record] = [({0}, [1, 2]), ({1}, [3])]
    own_tokens = [[5], [5], [1, 2], [3], [], [8]]
    words_LF = features(records, own_tokens)[:, NUM_LABELS:]
    np.testing.assert_array_equal(words_LF[[0, 1]], words_LF[[2, 3]])
    assert not words_LF[4].any()
    assert words_LF[5].nonzero()[0].tolist() == [8]  # not in any record: the rarest of words


@pytest.mark.parametrize(
    ("column", "record", "width"), [("labels", ({NUM_LABELS}, [1]), NUM_LABELS), ("tokens", ({1}, [50]), NUM_TOKENS)]
)
def test_an_id_out_of_range_is_named_with_its_shard(column: str, record: Record, width: int) -> None:
    records = [({0}, [1])] * 7 + [record]
    highest = max(record[0] if column == "labels" else record[1])
    with pytest.raises(CorruptShardError) as caught:
        features(records, [[]] * NUM_LABELS)
    assert str(caught.value) == (
        f"shard 7.arrow: column '{column}' holds {highest}: must be below {width}: see `lmmtc verify`, convert again"
    )
