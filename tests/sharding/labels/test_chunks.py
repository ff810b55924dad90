"""Plans as values and as files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from sharding import ChunkPlan, DataError
from sharding.formats import write_shard


def test_by_id_neighbours_share_a_chunk() -> None:
    plan = ChunkPlan.by_id(5, 2)
    assert (plan.order.tolist(), plan.size, len(plan)) == ([0, 1, 2, 3, 4], 2, 5)


def test_by_likeness_similar_labels_share_a_chunk() -> None:
    features = sparse.csr_array([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]])
    plan = ChunkPlan.by_likeness(features, 3)
    assert (plan.order.tolist(), plan.size) == ([0, 2, 4, 1, 3], 3)


@pytest.mark.parametrize(("order", "size"), [([2, 0, 1, 4, 3], 2), ([1, 0], 1), ([0, 1], 2)])
def test_a_plan_survives_its_file(tmp_path: Path, order: list[int], size: int) -> None:
    path = tmp_path / "plan.arrow"
    ChunkPlan(np.array(order), size).save(path)
    loaded = ChunkPlan.load(path)
    assert (loaded.order.tolist(), loaded.order.dtype, loaded.size) == (order, np.int64, size)


@pytest.mark.parametrize("content", [None, b"", b"ARROW1 but not really"])
def test_a_missing_or_damaged_file_is_a_data_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "plan.arrow"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"chunk plan .*plan\.arrow: cannot be read"):
        ChunkPlan.load(path)


@pytest.mark.parametrize("labels", [[0, 0, 1], [1, 2, 3], [-1, 0, 1]])
def test_a_file_that_lacks_a_label_is_a_data_error(tmp_path: Path, labels: list[int]) -> None:
    write_shard(tmp_path / "plan.arrow", pa.record_batch({"label": labels, "chunk": [0, 0, 1]}))
    with pytest.raises(DataError, match=r"plan\.arrow: must hold each of 3 labels once"):
        ChunkPlan.load(tmp_path / "plan.arrow")
