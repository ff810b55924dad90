"""The queue of texts to label."""

from pathlib import Path

import pytest

from launcher.serving.work import Queue
from trainer.errors import ConfigError


def test_a_queue_gives_texts_and_the_labels_that_are_known(tmp_path: Path) -> None:
    path = tmp_path / "queue.jsonl"
    path.write_text('{"id": "1", "text": "a"}\n\n{"id": "2", "text": "b", "labels": ["x"]}\n')
    queue = Queue.open(path)
    assert [(queue.read(id_).text, queue.read(id_).labels) for id_ in queue.ids] == [("a", ()), ("b", ("x",))]


def test_a_queued_text_without_an_id_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "queue.jsonl"
    path.write_text('{"text": "a"}\n')
    with pytest.raises(ConfigError, match=r"queue\.jsonl:1: 'id' is missing: must be a string"):
        Queue.open(path)
