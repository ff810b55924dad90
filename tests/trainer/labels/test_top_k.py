"""The top K of a GPU, which waits for nothing, against that of a CPU."""

import pytest
import torch

from trainer.labels import RowRange
from trainer.labels.top_k import StreamingTopK, WaitlessTopK


@pytest.mark.parametrize(("k", "chunk"), [(5, 7), (5, 3), (1, 1), (40, 7), (8, 100)])
def test_a_gpu_finds_what_a_cpu_finds(k: int, chunk: int) -> None:
    torch.manual_seed(k)
    logits_QL = torch.randn(6, 130)
    logits_QL[:, 60:70] = 2.5  # of equal scores the lower id is better
    hidden_QL = torch.rand(6, 130) < 0.2
    ways = StreamingTopK(6, k, like=logits_QL), WaitlessTopK(6, k, like=logits_QL)
    for way in ways:
        for labels in RowRange(1000, 1130).chunks(chunk):
            columns = slice(labels.start - 1000, labels.stop - 1000)
            logits_QC = logits_QL[:, columns].clone()
            way.take(logits_QC, labels, hidden_QL[:, columns].nonzero(as_tuple=True))
            assert torch.equal(logits_QC, logits_QL[:, columns])
    (scores_QK, ids_QK), (wanted_scores_QK, wanted_ids_QK) = ways[1].result(), ways[0].result()
    assert torch.equal(scores_QK, wanted_scores_QK)
    distinct = torch.tensor(
        [len(set(row.tolist())) == k for row in wanted_scores_QK]
    )  # else ties may end a chunk's best
    assert torch.equal(ids_QK[distinct], wanted_ids_QK[distinct])
    open_QK = wanted_scores_QK > wanted_scores_QK[:, -1:]
    assert torch.equal(ids_QK[open_QK], wanted_ids_QK[open_QK])
