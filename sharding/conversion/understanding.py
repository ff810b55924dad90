"""What a conversion has understood of its source, for people and for the manifest, and what looks wrong about it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..labels import Vocabulary
from ..records import DEV, TRAIN
from .counting import CorpusStatistics

_MOST_FREQUENT = 10
_MANY = 0.1


def understanding(
    said: Mapping[str, Any], found: CorpusStatistics, labels: Vocabulary, leaked: int, texts: Mapping[str, Any]
) -> dict[str, Any]:
    """Put together how a source was read and what is in it.

    Args:
        said: What the source says of itself.
        found: What was counted.
        labels: The vocabulary.
        leaked: Texts that stand in two splits.
        texts: What was found of label texts.

    Returns:
        Words and numbers by name, as they go into the manifest; `warnings` are sentences.
    """
    frequent = np.argsort(-labels.counts, kind="stable")[:_MOST_FREQUENT]
    names = zip(labels.names_of(frequent), labels.counts[frequent].tolist(), strict=True)
    made: dict[str, Any] = {
        **said,
        "records": found.records,
        "vocabulary": len(labels),
        "labels_per_record": _sizes(found.sizes),
        "without_labels": found.sizes.get(0, 0),
        "empty_texts": found.empty_texts,
        "left_out": found.left_out,
        "duplicate_ids": 0,
        "texts_in_two_splits": leaked,
        "set_aside_as_dev": found.aside,
        "most_frequent": [list(pair) for pair in names],
        **texts,
    }
    return {**made, "warnings": _warnings(made, found, labels)}


def described(understood: Mapping[str, Any]) -> list[str]:
    """Tell what was understood, a subject a line."""
    if not understood:
        return []
    shown = {
        key: value
        for key, value in understood.items()
        if key not in {"warnings", "label_text_warnings", "records", "most_frequent"}
    }
    sizes = shown.pop("labels_per_record")
    told = [f"{key.replace('_', ' ')}: {_shown(value)}" for key, value in shown.items() if value not in (0, None, [])]
    told.append(f"labels of a record: least {sizes['least']}, median {sizes['median']}, most {sizes['most']}")
    frequent = ", ".join(f"{name} ({count:,})" for name, count in understood["most_frequent"])
    return [*told, f"most frequent: {frequent}"]


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value[:20])) + (f" and {len(value) - 20} more" if len(value) > 20 else "")
    return repr(value) if isinstance(value, str) and not value.strip(" \t\n|;,").strip() else str(value)


def _sizes(sizes: Mapping[int, int]) -> dict[str, int]:
    """Tell the least, the median and the most of what is counted."""
    half, passed = (sum(sizes.values()) + 1) // 2, 0
    for size in sorted(sizes):
        passed += sizes[size]
        if passed >= half:
            return {"least": min(sizes), "median": size, "most": max(sizes)}
    return {"least": 0, "median": 0, "most": 0}


def _warnings(made: Mapping[str, Any], found: CorpusStatistics, labels: Vocabulary) -> list[str]:
    records = sum(found.records.values())
    said = []
    if found.left_out:
        said.append(f"{found.left_out:,} rows were left out: they have no text, or were not accepted")
    if found.empty_texts:
        said.append(f"{found.empty_texts:,} of {records:,} records have an empty text")
    if made["without_labels"] > records * _MANY:
        said.append(f"{made['without_labels']:,} of {records:,} records have no label")
    if made["texts_in_two_splits"]:
        said.append(
            f"{made['texts_in_two_splits']:,} texts stand in two splits: what is measured there was learnt by heart"
        )
    if len(labels) == 1:
        said.append("there is one label only: is the separator, or the field, the right one?")
    elif max(found.sizes, default=0) == 1:
        said.append("no record has two labels: is the separator the right one? It can be said with --label-separator")
    if TRAIN in found.records and len(found.records) == 1:
        said.append("all records are training records: there is nothing to evaluate on")
    elif found.records.keys() == {TRAIN, DEV}:
        said.append("there is no test split: dev is what a run is evaluated on, and what its settings are chosen by")
    return said + made.get("label_text_warnings", [])
