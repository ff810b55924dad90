"""Many workers, kills, and full disks: the same bytes, and nothing done twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import active_children, get_context
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from sharding import DataError, Manifest, convert, verify
from sharding.conversion import converting as module
from sharding.conversion.workspace import workspace

# Pieces of 4 KiB, so that a small corpus has many; started afresh, like a command that a user types.
COMMAND = """
import sys
from pathlib import Path
from sharding.conversion import converting as module
if __name__ == "__main__":
    module._SMALLEST_PIECE = 4096
    source, out, tokenizer, workers = sys.argv[1:]
    module.convert(Path(source), Path(out), Path(tokenizer), shard_rows=100, num_workers=int(workers), memory=1 << 16)
"""
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    with path.open("w") as file:
        for number in range(3000):
            labels = [f"label {number % 700}", f"other {number % 11}"]
            file.write(json.dumps({"id": str(number), "text": f"number {number}", "labels": labels}) + "\n")
    return path


@pytest.fixture(scope="module")
def undisturbed(corpus: Path, tokenizer_folder: Path) -> Manifest:
    """Convert with one worker, in one piece, with all the memory it likes."""
    return convert(corpus, corpus.parent / "undisturbed", tokenizer_folder, shard_rows=100)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SMALLEST_PIECE", 4096)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("memory", [1, 1 << 16, 1 << 30])
def test_pieces_and_memory_do_not_show_in_the_bytes(
    corpus: Path, undisturbed: Manifest, tokenizer_folder: Path, tmp_path: Path, memory: int
) -> None:
    assert convert(corpus, tmp_path / "out", tokenizer_folder, shard_rows=100, memory=memory) == undisturbed
    assert files(tmp_path / "out") == files(corpus.parent / "undisturbed")


def start(corpus: Path, out: Path, tokenizer_folder: Path, workers: int) -> subprocess.Popen[bytes]:
    arguments = [str(corpus), str(out), str(tokenizer_folder), str(workers)]
    script = out.parent / "command.py"
    script.write_text(COMMAND)
    return subprocess.Popen([sys.executable, str(script), *arguments], env={**os.environ, "PYTHONPATH": str(ROOT)})


def results(out: Path) -> dict[str, int]:
    found = {}
    for path in (out / ".building").glob("*/results/*.json"):
        found[path.name] = path.stat().st_mtime_ns
    return found


def test_a_conversion_that_is_killed_at_any_moment_goes_on_and_ends_with_the_same_bytes(
    corpus: Path, undisturbed: Manifest, tokenizer_folder: Path, tmp_path: Path
) -> None:
    out, finished = tmp_path / "out", {}
    for parts in (5, 60, 130):  # while counting, encoding, writing: 57 pieces and 30 shards
        process = start(corpus, out, tokenizer_folder, workers=2)
        while len(results(out)) < parts and process.poll() is None:
            time.sleep(0.002)
        workers = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        psutil.wait_procs(workers, timeout=10)
        assert not any(worker.is_running() for worker in workers)
        assert not (out / "manifest.json").exists()
        now = results(out)
        assert len(now) >= parts
        assert {name: now[name] for name in finished} == finished  # not done again
        finished = now
    assert start(corpus, out, tokenizer_folder, workers=2).wait() == 0
    assert Manifest.load(out) == undisturbed
    assert files(out) == files(corpus.parent / "undisturbed")


def test_unfinished_parts_of_another_source_are_not_used(
    corpus: Path, undisturbed: Manifest, tokenizer_folder: Path, tmp_path: Path
) -> None:
    out, longer = tmp_path / "out", tmp_path / "corpus.jsonl"
    longer.write_bytes(corpus.read_bytes() + b'{"id": "bad"}\n')
    with pytest.raises(DataError, match=r"corpus\.jsonl:3001: 'text' is missing"):
        convert(longer, out, tokenizer_folder, shard_rows=100)
    assert (out / ".building").is_dir()
    assert convert(corpus, out, tokenizer_folder, shard_rows=100) == undisturbed
    assert verify(out).problems == ()
    assert not (out / ".building").exists()


def test_a_kill_while_parts_are_deleted_leaves_none_to_go_on_with(
    corpus: Path, undisturbed: Manifest, tokenizer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.rmtree

    def killed(folder: Path, **_: object) -> None:
        for part in folder.rglob("counts"):
            real(part)
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        convert(corpus, tmp_path / "out", tokenizer_folder, shard_rows=100)
    monkeypatch.undo()
    assert convert(corpus, tmp_path / "out", tokenizer_folder, shard_rows=100) == undisturbed
    assert files(tmp_path / "out") == files(corpus.parent / "undisturbed")


def test_two_conversions_do_not_work_in_one_folder(corpus: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    with (
        workspace(tmp_path / "out", {}),
        pytest.raises(DataError, match="another conversion is at work here: wait for it, or stop it"),
    ):
        convert(corpus, tmp_path / "out", tokenizer_folder)


@pytest.mark.usefixtures("small_pieces")
def test_a_worker_that_is_killed_ends_the_conversion_with_a_word(
    corpus: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    others = set(active_children())

    def kill_one(done: int, _total: int, _what: str) -> None:
        if done == 1:
            (set(active_children()) - others).pop().kill()

    with pytest.raises(DataError, match="counting labels: a worker was killed, perhaps for its memory: finished parts"):
        convert(corpus, tmp_path / "out", tokenizer_folder, num_workers=2, progress=kill_one)


@pytest.fixture(scope="module")
def dask_executor() -> Executor:
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        yield client.get_executor()


@pytest.mark.usefixtures("small_pieces")
def test_a_dask_cluster_makes_the_same_bytes(
    corpus: Path, undisturbed: Manifest, tokenizer_folder: Path, tmp_path: Path, dask_executor: Executor
) -> None:
    out = tmp_path / "out"
    assert convert(corpus, out, tokenizer_folder, shard_rows=100, num_workers=2, executor=dask_executor) == undisturbed
    assert files(out) == files(corpus.parent / "undisturbed")


def test_workers_need_not_be_in_the_folder_that_paths_are_relative_to(
    corpus: Path, undisturbed: Manifest, tokenizer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(corpus.parent)
    relative = Path(os.path.relpath(tmp_path / "out")), Path(os.path.relpath(tokenizer_folder))
    with ProcessPoolExecutor(1, get_context("spawn"), os.chdir, (tmp_path,)) as executor:
        assert convert(Path("corpus.jsonl"), *relative, shard_rows=100, executor=executor) == undisturbed
    assert verify(tmp_path / "out").problems == ()


def test_a_folder_that_cannot_be_made_is_named(corpus: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(DataError, match=f"{out}: Not a directory: must be a folder, or where one can be made"):
            convert(corpus, out, tokenizer_folder)


def test_a_source_in_one_piece_has_the_memory_of_all_workers(tokenizer_folder: Path, tmp_path: Path) -> None:
    record = {"split": "train", "text": "a" * 200, "labels": ["b"]}
    lines = (json.dumps({"id": f"{number:04}", **record}) + "\n" for number in range(9000))
    (tmp_path / "corpus.jsonl").write_text("".join(lines))
    runs: list[int] = []

    def count(done: int, _total: int, what: str) -> None:
        if done and what == "encoding records":
            (file,) = (tmp_path / "out" / ".building").glob("*/runs/train/*")
            runs.append(pa.ipc.open_file(file).num_record_batches)

    convert(
        tmp_path / "corpus.jsonl", tmp_path / "out", tokenizer_folder, num_workers=8, memory=32 << 20, progress=count
    )
    assert runs == [1]


FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
"""


def test_a_disk_that_takes_no_more_is_named_and_finished_parts_are_kept(
    corpus: Path, undisturbed: Manifest, tokenizer_folder: Path, tmp_path: Path
) -> None:
    """A limit on the size of a file stands for a full disk, which needs rights to make: the same writes fail."""
    out, script = tmp_path / "out", tmp_path / "full.py"
    script.write_text(FULL + COMMAND)
    arguments = [str(corpus), str(out), str(tokenizer_folder), "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, str(script), *arguments], env=environment, capture_output=True, check=False)
    assert b"File too large: finished parts are kept: make room, or see to it, and start again" in ended.stderr
    assert results(out)
    assert not (out / "manifest.json").exists()
    assert not list(out.rglob("*.tmp"))
    assert convert(corpus, out, tokenizer_folder, shard_rows=100) == undisturbed
