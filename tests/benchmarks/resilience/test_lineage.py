"""Of a step that was done more than once, the last time counts."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.resilience.lineage import Read, lineage, lost_and_twice

Lines = Sequence[tuple[int, int, list[str]]]


def write(folder: Path, lines: Lines, torn: str = "") -> None:
    """Write the file of one rank: step, epoch and ids of each line."""
    folder.parent.mkdir(exist_ok=True)
    said = [json.dumps({"step": step, "epoch": epoch, "applied": True, "ids": ids}) for step, epoch, ids in lines]
    folder.write_text("".join(f"{line}\n" for line in said) + torn, encoding="utf-8")


def steps(*ids: str, epoch: int = 0) -> Mapping[int, Read]:
    return {step: Read(epoch, tuple(names)) for step, names in enumerate(ids, start=1)}


def test_a_step_that_was_done_again_has_the_records_of_the_last_time_only(tmp_path: Path) -> None:
    write(tmp_path / "start-00000" / "rank-00000.jsonl", [(1, 0, ["a"]), (2, 0, ["c"]), (3, 0, ["e"])])
    write(tmp_path / "start-00000" / "rank-00001.jsonl", [(1, 0, ["b"]), (2, 0, ["d"])], torn='{"step": 3, "ep')
    write(tmp_path / "start-00001" / "rank-00000.jsonl", [(2, 0, ["d", "c"]), (3, 0, ["f", "e"])])
    assert lineage(tmp_path) == {1: Read(0, ("a", "b")), 2: Read(0, ("d", "c")), 3: Read(0, ("f", "e"))}


def test_starts_beyond_the_ninth_come_in_order(tmp_path: Path) -> None:
    for number in range(12):
        write(tmp_path / f"start-{number:05d}" / "rank-00000.jsonl", [(1, 0, [str(number)])])
    assert lineage(tmp_path) == {1: Read(0, ("11",))}


def test_what_is_equal_has_lost_nothing_in_whatever_order_it_was_read() -> None:
    assert lost_and_twice(steps("ab", "cd"), steps("dc", "ba")) == (0, 0)


def test_what_is_missing_and_what_is_too_much_is_counted() -> None:
    assert lost_and_twice(steps("ab", "bb"), steps("ab", "cd")) == (2, 2)


def test_an_epoch_does_not_make_up_for_another() -> None:
    assert lost_and_twice(steps("ab"), steps("ab", epoch=1)) == (2, 2)
