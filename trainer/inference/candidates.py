"""The union of candidates that several sources propose for the same records."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class CandidateSource:
    """What one source proposes for B records.

    Attributes:
        ids_BK: Label ids, each at most once a record; -1: none.
        values_BK: A value of each.
    """

    ids_BK: np.ndarray
    values_BK: np.ndarray


@dataclass(frozen=True, eq=False)
class Candidates:
    """The union of what all sources propose.

    Attributes:
        ids_BU: Label ids, ascending, -1 behind the last.
        values: Values [B, U] by source, NaN where it has none.
    """

    ids_BU: np.ndarray
    values: dict[str, np.ndarray]


def join_candidates(
    sources: Mapping[str, CandidateSource], excluded: tuple[np.ndarray, np.ndarray], num_labels: int
) -> Candidates:
    """Join what sources propose, but for excluded pairs (record [N], label [N])."""
    keyed = {name: _keys(source.ids_BK, num_labels) for name, source in sources.items()}
    out_N = excluded[0].astype(np.int64) * num_labels + excluded[1]
    keys_N = np.setdiff1d(np.concatenate([keys for keys, _ in keyed.values()]), out_N)
    record_N, label_N = np.divmod(keys_N, num_labels)
    records = len(next(iter(sources.values())).ids_BK)
    counts_B = np.bincount(record_N, minlength=records)
    column_N = np.arange(len(keys_N)) - (np.cumsum(counts_B) - counts_B)[record_N]
    ids_BU = np.full((records, counts_B.max(initial=0)), -1, dtype=np.int64)
    ids_BU[record_N, column_N] = label_N
    values = {}
    for name, (keys, places) in keyed.items():
        values[name] = np.full(ids_BU.shape, np.nan, dtype=np.float32)
        found = np.searchsorted(keys_N, keys).clip(max=max(len(keys_N) - 1, 0))
        stays = keys_N[found] == keys if len(keys_N) else np.zeros(len(keys), dtype=bool)
        own = found[stays]
        values[name][record_N[own], column_N[own]] = sources[name].values_BK[places][stays]
    return Candidates(ids_BU, values)


def _keys(ids_BK: np.ndarray, num_labels: int) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Name pairs (record, label) by one number each, and say where they stand."""
    record_N, column_N = (ids_BK >= 0).nonzero()
    return record_N * num_labels + ids_BK[record_N, column_N], (record_N, column_N)
