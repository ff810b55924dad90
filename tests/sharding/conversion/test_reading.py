"""How many records of a piece are held at a time."""

import json
from pathlib import Path

from sharding.conversion.job import Job
from sharding.conversion.reading import Rejected, read_groups
from sharding.sources import SourceSettings, open_source


def test_fewer_records_are_held_at_a_time_where_texts_are_long(tmp_path: Path, tokenizer_folder: Path) -> None:
    letters = [1, 3 << 20, 3 << 20, 5 << 20, 2, *[1] * 5000]
    with (tmp_path / "corpus.jsonl").open("w") as file:
        for number, length in enumerate(letters):
            record = {"id": str(number), "split": "train", "text": "a" * length, "labels": []}
            file.write(json.dumps(record) + "\n")
    source = open_source([tmp_path / "corpus.jsonl"], SourceSettings())
    job = Job(
        source=source,
        folder=tmp_path,
        tokenizer_folder=tokenizer_folder,
        kinds=("arrow",),
        policy="raise",
        strict=False,
        max_tokens=512,
        seed=0,
        worker_bytes=1 << 30,
    )
    (piece,) = source.pieces(1 << 30)
    groups = list(read_groups(job, piece, Rejected(job, piece)))
    assert [len(group.records) for group in groups] == [3, 1, 4096, 905]
    assert [record.id for group in groups for record in group.records] == list(map(str, range(len(letters))))
