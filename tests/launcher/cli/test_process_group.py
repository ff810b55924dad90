"""Commands on several ranks under real starters: the same answers as in one process, said and written once."""

import json
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen

import pyarrow.parquet as pq
import pytest

from launcher.ports import free_port
from tests.launcher.conftest import Lmmtc
from tests.programs import PROGRAMS, end_of, finish, started

pytestmark = pytest.mark.ranks


def torchrun(*words: object, code: int = 0) -> tuple[str, str]:
    place = ("--nproc_per_node", 2, "--master_port", free_port())
    said = finish(PROGRAMS / "torchrun", *place, "--no-python", "lmmtc", *words, timeout=200, code=code)
    return said.out, said.err


@contextmanager
def each_rank(command: Sequence[object]) -> Iterator[list[Popen[str]]]:
    """Start two ranks by hand, and nobody who ends one with the other."""
    place = {"WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    with ExitStack() as stack:
        ranks = ({"RANK": rank, "LOCAL_RANK": rank} for rank in range(2))
        yield [stack.enter_context(started(*command, env=place | rank)) for rank in ranks]


@pytest.mark.nightly
def test_two_ranks_come_to_the_verdict_of_one_process(lmmtc: Lmmtc, trained: Path) -> None:
    written = []
    for judge in (lmmtc, torchrun):
        (trained / "evaluation.json").unlink(missing_ok=True)
        said = judge("evaluate", trained, "--split", "dev", "--batch", 7)
        written.append(json.loads((trained / "evaluation.json").read_text()))
    assert said[0].count("40 records of dev") == 1
    alone, together = written
    for ranking in ("scan", "scan+cloze"):
        # fp32: texts are padded to other lengths, sums come in another order.
        assert together.pop(ranking) == pytest.approx(alone.pop(ranking), rel=1e-5)
    assert together == alone


def test_two_ranks_under_deepspeed_label_a_file_in_its_order(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    questions = tmp_path / "questions.jsonl"
    records = [{"id": f"q{number}", "text": f"topic {number % 44}"} for number in range(71)]
    questions.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    ask = ("predict", trained, "--input", questions, "--output")
    assert lmmtc(*ask, tmp_path / "alone.parquet").code == 0
    place = ("--num_accelerators", 2, "--master_port", free_port(), "--no_python", "--no_local_rank")
    said = finish(PROGRAMS / "deepspeed", *place, "lmmtc", *ask, tmp_path / "together.parquet", timeout=200)
    assert said.out.count("71 records") == 1
    alone, together = (pq.read_table(tmp_path / f"{name}.parquet").to_pydict() for name in ("alone", "together"))
    assert together["id"] == alone["id"] == [f"q{number}" for number in range(71)]
    assert together["labels"] == alone["labels"]


@pytest.mark.nightly
def test_a_record_that_one_rank_would_refuse_is_refused_by_all(without_cloze: Path, tmp_path: Path) -> None:
    questions = tmp_path / "questions.jsonl"
    given = {3: {"label 1": True}}
    records = [{"id": f"q{number}", "text": "topic 1", "given": given.get(number, {})} for number in range(8)]
    questions.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    ask = (PROGRAMS / "lmmtc", "predict", without_cloze, "--batch", 1, "--input", questions, "--output", tmp_path / "a")
    with each_rank(ask) as ranks:
        said = [end_of(rank, code=78, timeout=100).err for rank in ranks]
    why = "'given': cloze.enabled = false: without context and slots, no label can be given"
    for rank, err in enumerate(said):
        assert err.endswith(f"[rank {rank}] ConfigError: questions.jsonl:4: {why}\n")


def test_a_rank_that_is_killed_is_said_to_be_lost_by_the_other(trained: Path, tmp_path: Path) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text((json.dumps({"id": "q", "text": "topic 1"}) + "\n") * 300_000, encoding="utf-8")
    with each_rank((PROGRAMS / "lmmtc", "predict", trained, "--input", questions, "--output", tmp_path / "a")) as ranks:
        while not list(tmp_path.glob(".a.*")):
            assert ranks[0].poll() is None, ranks[0].communicate()
            time.sleep(0.01)
        ranks[1].kill()
        said = end_of(ranks[0], code=75)
    assert said.err.splitlines()[-1].startswith("[rank 0] PeerLostError: another rank has died, or cannot be reached; ")
    assert not list(tmp_path.glob("*a.*"))


@pytest.mark.nightly
def test_a_rank_that_waits_for_one_that_never_comes_ends_at_sigterm(trained: Path) -> None:
    port = free_port()
    place = {"WORLD_SIZE": 2, "RANK": 0, "LOCAL_RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    with started(PROGRAMS / "lmmtc", "evaluate", trained, env=place) as rank:
        while not listens(port):
            assert rank.poll() is None, rank.communicate()
            time.sleep(0.05)
        rank.terminate()
        end_of(
            rank, code=75
        )  # after 5 seconds: the handler itself waits for native code, which waits for the other rank


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.nightly
def test_texts_are_answered_once(trained: Path) -> None:
    out, _ = torchrun("predict", trained, "--text", "topic 3", "--text", "topic 4", "--text", "topic 5")
    assert [out.count(text) for text in ("topic 3", "topic 4", "topic 5")] == [1, 1, 1]


@pytest.mark.nightly
def test_what_is_wrong_is_said_with_the_rank_that_says_it(tmp_path: Path) -> None:
    _, err = torchrun("evaluate", tmp_path, code=1)
    assert f"] ConfigError: {tmp_path}: is not the folder of a run: it has no config.json\n" in err
    assert "[rank " in err


def test_half_an_environment_is_refused(trained: Path) -> None:
    said = finish(PROGRAMS / "lmmtc", "evaluate", trained, env={"RANK": 0, "WORLD_SIZE": 2}, code=78)
    assert said.err == (
        "[rank 0] ConfigError: environment: RANK, WORLD_SIZE given without LOCAL_RANK, MASTER_ADDR, MASTER_PORT: "
        "start with deepspeed or torchrun, which set all, or unset them to work in one process\n"
    )


@pytest.mark.nightly
def test_an_export_on_several_ranks_is_refused_by_each_of_them(trained: Path, tmp_path: Path) -> None:
    _, err = torchrun("export", trained, tmp_path / "exported", code=1)
    message = (
        "] ConfigError: lmmtc export: was started on 2 ranks (WORLD_SIZE), and each would write the same files: start "
        "it as one process, without torchrun, deepspeed or srun\n"
    )
    assert message in err
    assert "OSError" not in err
    assert not list(tmp_path.iterdir())
