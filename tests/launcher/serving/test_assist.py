"""Behind the page: a queue with a place for each person, answers on disk, what was done; and why."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from launcher.serving.api import Service
from launcher.serving.application import application
from launcher.serving.assist import Assist
from launcher.serving.work import Answers, Queue
from sharding import Dataset, convert
from sharding.sources import SourceSettings
from tests.launcher.serving.conftest import fresh, problem
from trainer.errors import ConfigError

TEXTS = [{"id": str(number), "text": f"topic {number}", "labels": ["label 1", "gone"]} for number in range(3)]


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    path.write_text("\n\n".join(map(json.dumps, TEXTS)), encoding="utf-8")
    return path


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    return tmp_path / "answers.jsonl"


@pytest.fixture
def working(service: Service, queue: Path, answers: Path) -> Iterator[TestClient]:
    kept = Answers(answers)
    with TestClient(application(Assist(fresh(service), Queue.open(queue), kept))) as client:
        yield client
    kept.close()


def save(client: TestClient, **said: Any) -> Any:
    return client.post("/assist/answers", json={"person": "Ann", "text": "", "labels": ["label 3"]} | said)


def place(client: TestClient, person: str, **after: str) -> Any:
    return client.get("/assist/next", params={"person": person} | after).json()


def test_each_person_has_a_place_of_their_own(working: TestClient) -> None:
    first = place(working, "Ann")
    assert first == {"total": 3, "done": 0, "record": {"id": "0", "text": "topic 0", "labels": ["label 1"]}}
    assert save(working, id="0").status_code == 201
    assert place(working, "Ann")["record"]["id"] == "1"
    assert place(working, "Bo")["record"]["id"] == "0"
    assert place(working, "Ann", after="1")["record"]["id"] == "2"  # skipped
    save(working, id="2")
    assert place(working, "Ann", after="2")["record"]["id"] == "1"  # and offered again in the end
    save(working, id="1")
    assert place(working, "Ann") == {"total": 3, "done": 3, "record": None}


def test_the_place_is_kept_when_the_server_ends(service: Service, queue: Path, answers: Path) -> None:
    for wanted in ("0", "1", "2"):
        kept = Answers(answers)
        with TestClient(application(Assist(fresh(service), Queue.open(queue), kept))) as client:
            assert place(client, "Ann")["record"]["id"] == wanted
            save(client, id=wanted)
        kept.close()


def test_an_answer_is_a_record_that_can_be_learnt_from(
    working: TestClient, answers: Path, tmp_path: Path, tokenizer_folder: Path
) -> None:
    said = {
        "denied": ["label 4"],
        "first": ["label 3"],
        "searched": ["label 5"],
        "clicks": 3,
        "step": 20,
        "seconds": 1.5,
    }
    save(working, id="1", labels=["label 3", "label 5", "label 6"], text="is not what was asked", **said)
    save(working, text="pasted ünd typed\n")
    first, second = map(json.loads, answers.read_text(encoding="utf-8").splitlines())
    assert {key: first[key] for key in ("id", "text", "labels", "denied", "person", "clicks", "step")} == {
        "id": "1",
        "text": "topic 1",
        "labels": ["label 3", "label 5", "label 6"],
        "denied": ["label 4"],
        "person": "Ann",
        "clicks": 3,
        "step": 20,
    }
    assert second["id"].startswith("pasted-")
    convert(answers, tmp_path / "shards", tokenizer_folder, source_settings=SourceSettings(split="train"))
    assert Dataset.open(tmp_path / "shards").split("train").num_records == 2


def test_what_was_done_is_counted_by_person(working: TestClient) -> None:
    known = {"first": ["label 3", "label 7"], "searched": ["label 5"]}
    save(working, id="0", labels=["label 3", "label 5", "label 6"], denied=["label 7"], clicks=4, seconds=2, **known)
    save(working, id="1", labels=["label 3"], clicks=1, seconds=1, **known)
    save(working, id="0", person="Bo", labels=[])
    report = working.get("/assist/report").json()
    ann, bo = report["people"]
    counted = {
        "records": 2,
        "accepted": 4,
        "denied": 1,
        "in_first": 2,
        "moved": 1,
        "searched": 1,
        "clicks": 5,
        "seconds": 3,
    }
    assert ann == {"person": "Ann"} | counted
    assert (bo["person"], bo["records"], bo["accepted"]) == ("Bo", 1, 0)
    assert [(each["person"], each["id"]) for each in report["recent"]] == [("Bo", "0"), ("Ann", "1"), ("Ann", "0")]


@pytest.mark.parametrize(
    ("said", "status", "kind"),
    [
        ({"id": "9"}, 404, "not-found"),
        ({"labels": ["labl 3"]}, 422, "unknown-label"),
        ({"denied": ["labl 3"]}, 422, "unknown-label"),
        ({"denied": ["label 3"]}, 422, "given-and-denied"),
        ({"person": ""}, 422, "invalid-request"),
        ({"person": "x" * 81}, 422, "invalid-request"),
        ({"clicks": -1}, 422, "invalid-request"),
        ({"text": "a" * 1001}, 413, "too-large"),
    ],
)
def test_what_cannot_be_an_answer_is_not_written(
    working: TestClient, answers: Path, said: dict[str, Any], status: int, kind: str
) -> None:
    assert problem(save(working, **said))[:2] == (status, kind)
    assert answers.read_bytes() == b""


def test_a_second_window_cannot_answer_a_record_again(working: TestClient, answers: Path) -> None:
    save(working, id="0")
    assert problem(save(working, id="0"))[:2] == (409, "conflict")
    assert len(answers.read_text().splitlines()) == 1


def test_two_servers_do_not_write_into_one_file(answers: Path) -> None:
    first = Answers(answers)
    with pytest.raises(ConfigError, match="another server writes there"):
        Answers(answers)
    first.close()
    Answers(answers).close()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"id": "1", "text": "a"}\n', r"answers.jsonl:1: 'labels' is missing"),
        ('{"id": "1", "text": "a", "labels": []}\n{"id"', r"answers.jsonl:2: not a JSON object"),
        ('{"id": "1", "text": "a", "labels": []}', r"answers.jsonl:1: the line does not end"),
    ],
)
def test_a_file_that_holds_no_answers_is_left_alone(answers: Path, content: str, said: str) -> None:
    answers.write_text(content)
    with pytest.raises(ConfigError, match=said):
        Answers(answers)
    assert answers.read_text() == content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no record"),
        ('{"id": "1"}\n', "texts.jsonl:1: 'text' is missing"),
        ('{"id": "1", "text": "a"}\n{"id": "1", "text": "b"}\n', "texts.jsonl:2: id '1' comes twice"),
    ],
)
def test_a_queue_that_is_none_is_refused_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "texts.jsonl").write_text(content)
    with pytest.raises(ConfigError, match=said):
        Queue.open(tmp_path / "texts.jsonl")
    with pytest.raises(ConfigError, match="No such file or directory: must be a file of JSON lines"):
        Queue.open(tmp_path / "gone.jsonl")


def test_without_a_queue_or_a_file_of_answers_that_is_said(client: TestClient) -> None:
    assert client.get("/assist/about").json() == {"queue": 0, "saves": False}
    assert problem(client.get("/assist/next?person=Ann"))[:2] == (403, "not-supported")
    assert problem(save(client))[:2] == (403, "not-supported")
    assert client.get("/assist/report").json() == {"people": [], "recent": []}


def test_why_weighs_words_and_given_labels(client: TestClient) -> None:
    asked = {"text": "topic 3, topic 9", "given": ["label 1"], "label": "label 9"}
    found = client.post("/v1/why", json=asked).json()
    assert [each["word"] for each in found["words"]] == ["topic", "3,", "topic", "9"]
    assert [each["label"] for each in found["labels"]] == ["label 1"]
    assert problem(client.post("/v1/why", json=asked | {"label": "label 1"}))[:2] == (422, "invalid-request")
    assert problem(client.post("/v1/why", json=asked | {"label": "labl"}))[:2] == (422, "unknown-label")
