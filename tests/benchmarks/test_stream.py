"""What the contenders of the stream benchmark deliver, and how they take turns."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.stream import __main__ as command
from benchmarks.stream.contenders import in_order, ours
from benchmarks.stream.contenders.turns import BATCH, Batch, batches_of
from benchmarks.stream.converting import WORDS, conversion_speed, tokenizer_folder, write_corpus
from benchmarks.stream.peers import MissingError, python_of, run_or_miss, torch_pin
from benchmarks.stream.race import Contender, start
from benchmarks.stream.records import MEAN_LABELS, MEAN_TOKENS, Ragged, Records
from sharding import Kind, TextTokenizer

COUNT = 3 * BATCH


@pytest.fixture(scope="module")
def records() -> Records:
    return Records.invent(COUNT)


def as_lists(records: Records) -> list[tuple[list[int], list[int]]]:
    pairs = zip(records.tokens.rows(), records.labels.rows(), strict=True)
    return [(tokens.tolist(), labels.tolist()) for tokens, labels in pairs]


def read_all(batches: list[Batch]) -> list[tuple[list[int], list[int]]]:
    return [record for batch in batches for record in as_lists(batch.records())]


def test_invented_records_have_the_sizes_that_are_claimed() -> None:
    many = Records.invent(20_000)
    # Standard errors are 0.7 and 0.013.
    assert len(many.tokens.values) / 20_000 == pytest.approx(MEAN_TOKENS, abs=3)
    assert len(many.labels.values) / 20_000 == pytest.approx(MEAN_LABELS, abs=0.06)


def test_saved_records_are_loaded_again(records: Records, tmp_path: Path) -> None:
    records.save(tmp_path)
    assert as_lists(Records.load(tmp_path)) == as_lists(records)


def test_packed_records_become_the_tensors_they_were_made_of(records: Records) -> None:
    batches = list(batches_of(records.packed()))
    assert read_all(batches) == as_lists(records)
    assert batches[0].tokens.dtype == torch.uint16


def test_a_digest_does_not_depend_on_the_order_of_records(records: Records) -> None:
    packed = sorted(records.packed())
    assert sum(batch.records().digest() for batch in batches_of(packed)) == records.digest()


def test_a_digest_depends_on_the_order_of_tokens_and_on_whose_labels_are_whose() -> None:
    tokens, offsets = np.array([1, 2, 3, 4], np.uint16), np.array([0, 2, 4])
    labels = Ragged(np.array([5, 6], np.uint32), np.array([0, 1, 2]))
    others = (
        Records(Ragged(tokens[[1, 0, 2, 3]], offsets), labels),
        Records(Ragged(tokens, offsets), Ragged(labels.values[::-1], labels.offsets)),
        Records(Ragged(tokens, np.array([0, 1, 4])), labels),
    )
    digests = {Records(Ragged(tokens, offsets), labels).digest(), *(other.digest() for other in others)}
    assert len(digests) == 4


@pytest.mark.parametrize("kind", ["arrow", "webdataset"])
def test_our_passes_bring_every_record_once_in_another_order_each_time(
    records: Records, kind: Kind, tmp_path: Path
) -> None:
    ours.prepare(records, tmp_path, kind)
    passes = ours.read(tmp_path)
    first, second = (read_all(list(passes(number))) for number in range(2))
    assert sorted(first) == sorted(second) == sorted(as_lists(records))
    assert first != second
    assert first != as_lists(records)


def test_the_ceiling_brings_records_as_they_lie_in_tensors_of_their_own(records: Records, tmp_path: Path) -> None:
    in_order.prepare(records, tmp_path)
    passes = in_order.read(tmp_path)
    for batch in passes(0):
        batch.tokens.zero_()
    assert read_all(list(passes(1))) == as_lists(records)


@pytest.mark.nightly
def test_the_command_times_what_it_is_asked_for_and_ends_in_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    asked = ["ours", "in_order", "resume"]
    monkeypatch.setattr(sys, "argv", ["stream", "--batches", "3", "--rounds", "2", "--only", *asked])
    code = command.main()
    *_, verdict, last = capsys.readouterr().out.splitlines()
    figures = json.loads(last)
    assert list(figures) == ["records_per_s", "fraction_of_in_order_mmap", "resume_ms_1e9"]
    assert min(figures.values()) > 0
    assert verdict.startswith("PASS resume_ms_1e9" if code == 0 else "FAIL resume_ms_1e9")


def test_a_contender_that_delivers_other_records_is_not_timed(records: Records, tmp_path: Path) -> None:
    ours.prepare(records, tmp_path)
    with pytest.raises(MissingError, match=rf"ours: read records of digest {records.digest()}: the corpus has 1"):
        Contender("ours", Path(sys.executable), tmp_path, digest=1)


def test_a_contender_that_cannot_be_started_is_missing_and_the_others_are_not(tmp_path: Path) -> None:
    started, missing = start(["nobody", "ours"], COUNT, tmp_path)
    for contender in started:
        contender.stop()
    assert [contender.name for contender in started] == ["ours"]
    assert "files of nobody: ended with 1 and said: " in str(missing["nobody"])
    assert not (tmp_path / str(COUNT) / "nobody").exists()


def test_a_failing_command_is_told_with_its_last_words() -> None:
    with pytest.raises(MissingError, match=r"litdata==1: ended with 2 and said: no network$"):
        run_or_miss("litdata==1", sys.executable, "-c", "import sys; print('tried\\nno network'); sys.exit(2)")


def test_peers_get_our_torch_and_only_they_get_an_environment(tmp_path: Path) -> None:
    assert torch_pin() == "torch==" + torch.__version__.partition("+")[0]
    assert python_of("ours", tmp_path) == Path(sys.executable)
    assert not list(tmp_path.iterdir())


def test_the_texts_to_convert_have_a_hundred_words_of_about_as_many_tokens_as_the_records(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus.jsonl", 50)
    texts = [json.loads(line)["text"] for line in (tmp_path / "corpus.jsonl").read_bytes().splitlines()]
    lengths = [len(tokens) for tokens in TextTokenizer.from_folder(tokenizer_folder()).encode_batch(texts, 512)]
    assert {len(text.split()) for text in texts} == {WORDS}
    assert np.mean(lengths) == pytest.approx(MEAN_TOKENS, abs=15)


def test_conversion_is_timed_and_leaves_nothing(tmp_path: Path) -> None:
    assert conversion_speed(20, tmp_path) > 0
    assert not list(tmp_path.iterdir())
