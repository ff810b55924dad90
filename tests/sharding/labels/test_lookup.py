"""Ids by name without the names."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding.labels import LabelLookup
from sharding.labels import lookup as module


@given(
    st.sets(st.text(alphabet=st.characters(codec="utf-8"))), st.lists(st.text(alphabet=st.characters(codec="utf-8")))
)
def test_ids_are_those_of_a_dict(names: set[str], others: list[str]) -> None:
    ordered = sorted(names)
    lookup = LabelLookup.build(pa.array(ordered, pa.string()))
    known = {name: label for label, name in enumerate(ordered)}
    asked = [*others, *ordered]
    assert lookup.ids(asked).tolist() == [known.get(name, -1) for name in asked]


def test_a_saved_lookup_answers_alike(tmp_path: Path) -> None:
    names = [f"label {number}" for number in range(1000)]
    LabelLookup.build(pa.array(names)).save(tmp_path / "lookup.arrow")
    lookup = LabelLookup.load(tmp_path / "lookup.arrow")
    assert (lookup.ids(names) == np.arange(1000)).all()
    assert lookup.ids(["label 1000"]).tolist() == [-1]


def test_names_that_share_a_hash_are_hashed_by_another_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = module._hashes
    monkeypatch.setattr(module, "_hashes", lambda names, seed: real(names, seed) % np.uint64(2 if seed < 2 else 2**63))
    LabelLookup.build(pa.array(["a", "b", "c"])).save(tmp_path / "lookup.arrow")
    assert LabelLookup.load(tmp_path / "lookup.arrow").ids(["c", "b", "a", "d"]).tolist() == [2, 1, 0, -1]
