"""Workers that nobody has told that their conversion is over."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sharding import DataError, Manifest, convert, verify
from sharding.conversion import converting as module


class Late(Executor):
    """Works at once, but on the parts of one round only when asked to."""

    def __init__(self) -> None:
        self.left: list[Callable[[], Any]] = []

    def map(self, fn: Callable[..., Any], *iterables: Any, **_: Any) -> Any:
        parts = list(zip(*iterables, strict=True))
        self.left += [lambda part=part: fn(*part) for part in parts]
        return (fn(*part) for part in parts)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise NotImplementedError


def test_parts_that_end_late_are_not_taken_for_those_of_another_conversion(
    tmp_path: Path, tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a cluster whose workers go on for a while after the command was stopped and given again."""
    lines = [f'{{"id": "{n}", "split": "train", "text": "one two {n}", "labels": ["a"]}}\n' for n in range(400)]
    (tmp_path / "corpus.jsonl").write_text("".join(lines))
    monkeypatch.setattr(module, "_SMALLEST_PIECE", 4096)

    def make(out: str, max_tokens: int, **options: Any) -> Manifest:
        return convert(tmp_path / "corpus.jsonl", tmp_path / out, tokenizer_folder, max_tokens=max_tokens, **options)

    def stop(done: int, _total: int, what: str) -> None:
        if done and what == "encoding records":
            raise KeyboardInterrupt

    def end_what_is_left(_done: int, _total: int, what: str) -> None:
        while what == "encoding records" and late.left:
            with suppress(DataError):
                late.left.pop()()

    late = Late()
    with pytest.raises(KeyboardInterrupt):
        make("out", 9, executor=late, progress=stop)
    del late.left[: len(late.left) // 2]  # counts are the same in both
    found = make("out", 1, progress=end_what_is_left)
    assert found == make("undisturbed", 1)
    assert verify(tmp_path / "out").problems == ()
