"""What is asked over HTTP is answered as `lmmtc predict` answers it; what cannot be is refused in clear words."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from launcher.serving.api import Service
from launcher.serving.application import application
from launcher.serving.assist import Assist
from launcher.serving.openapi import document
from tests.launcher.conftest import Lmmtc
from tests.launcher.serving.conftest import SMALL, fresh, problem

RECORDS: list[dict[str, Any]] = [
    {"id": "0", "text": "topic 3 and topic 9"},
    {"id": "1", "text": "topic 3 and topic 9", "given": {"label 0": True, "label 9": False}},
    {"id": "2", "text": "", "given": {"label 1": True}},
    {"id": "3", "text": "control \x00\x07 characters \u202e and 獅子 " + "topic 12 " * 30},
]


def ask(client: TestClient, **body: Any) -> Any:
    return client.post("/v1/predict", json=body)


def test_a_server_and_predict_answer_the_same(lmmtc: Lmmtc, client: TestClient, run: Path, tmp_path: Path) -> None:
    (tmp_path / "asked.jsonl").write_text("\n".join(map(json.dumps, RECORDS)), encoding="utf-8")
    said = lmmtc("predict", run, "--input", tmp_path / "asked.jsonl", "--output", tmp_path / "a.parquet", "--top", 7)
    assert said.code == 0, said.err
    given = [[label for label, true in each.get("given", {}).items() if true] for each in RECORDS]
    denied = [[label for label, true in each.get("given", {}).items() if not true] for each in RECORDS]
    answer = ask(client, texts=[each["text"] for each in RECORDS], given=given, denied=denied, top=7).json()
    for found, wanted in zip(answer["results"], pq.read_table(tmp_path / "a.parquet").to_pylist(), strict=True):
        assert [each["label"] for each in found["labels"]] == wanted["labels"]
        # The texts of another batch are padded to another length: fp32 adds in another order.
        assert [each["score"] for each in found["labels"]] == pytest.approx(wanted["scores"], abs=1e-4)
    assert answer["step"] == 20


def test_a_given_label_moves_others_and_is_no_answer(client: TestClient) -> None:
    def scores(**known: Any) -> dict[str, float]:
        [result] = ask(client, texts=["topic 3"], top=48, **known).json()["results"]
        return {each["label"]: each["probability"] for each in result["labels"]}

    plain, given = scores(), scores(given=["label 3"], denied=["label 4"])
    assert len(plain) == 48
    assert set(plain) - set(given) == {"label 3", "label 4"}
    assert max(abs(plain[label] - given[label]) for label in given) > 0.001


def test_only_labels_above_the_threshold_are_named(client: TestClient) -> None:
    [everything] = ask(client, texts=["topic 3"], top=20).json()["results"]
    limit = everything["labels"][5]["probability"]
    [some] = ask(client, texts=["topic 3"], top=20, threshold=limit).json()["results"]
    assert some["labels"] == everything["labels"][:6]


@pytest.mark.parametrize(
    ("body", "status", "kind", "said"),
    [
        (b'{"texts": ["a"', 400, "not-json", "the body: Invalid JSON: EOF while parsing"),
        (b'{"texts": ["\\ud800"]}', 400, "not-json", "the body: "),
        (b"[]", 422, "invalid-request", "the body: "),
        (b"{}", 422, "invalid-request", "texts: Field required"),
        (b'{"texts": []}', 422, "invalid-request", "texts: List should have at least 1 item"),
        (b'{"texts": [7]}', 422, "invalid-request", "texts.0: Input should be a valid string"),
        (b'{"texts": ["a"], "tob": 3}', 422, "invalid-request", "tob: Extra inputs are not permitted"),
        (b'{"texts": ["a"], "top": 0}', 422, "invalid-request", "top: Input should be greater than or equal to 1"),
        (b'{"texts": ["a"], "top": 49}', 422, "invalid-request", "top: is 49: must be at most 48"),
        (b'{"texts": ["a"], "threshold": NaN}', 422, "invalid-request", "threshold: "),
        (b'{"texts": ["a", "b"], "given": [["label 1"]]}', 422, "invalid-request", "given: has 1 lists for 2 texts"),
        (b'{"texts": ["a", "b", "c", "d", "e"]}', 413, "too-large", "5 texts: must be at most 4"),
    ],
)
def test_a_body_that_is_no_question_is_refused_with_the_place(
    client: TestClient, body: bytes, status: int, kind: str, said: str
) -> None:
    found = problem(client.post("/v1/predict", content=body, headers={"Content-Type": "application/json"}))
    assert found[:2] == (status, kind)
    assert found[2].startswith(said)


@pytest.mark.parametrize(
    ("known", "status", "kind", "said"),
    [
        ({"given": ["labl 7"]}, 422, "unknown-label", "label 'labl 7': must be one of the 48 labels; "),
        ({"given": ["label 17x"]}, 422, "unknown-label", "label 'label 17x': must be one of the 48 labels; "),
        ({"given": ["label 1"], "denied": ["label 1"]}, 422, "given-and-denied", "text 0: label 'label 1': is given"),
        (
            {"given": [f"label {n}" for n in range(5)]},
            422,
            "too-many-labels",
            "5 labels are given and denied: at most 4",
        ),
        ({"given": [f"x{n}" for n in range(1000)]}, 422, "too-many-labels", "given: 1000 labels with one text"),
    ],
)
def test_labels_that_cannot_be_known_are_refused(
    client: TestClient, known: dict[str, Any], status: int, kind: str, said: str
) -> None:
    found = problem(ask(client, texts=["topic 3"], **known))
    assert found[:2] == (status, kind)
    assert found[2].startswith(said)


def test_what_is_too_large_is_refused_before_it_is_read(client: TestClient) -> None:
    size = f"the body: must be at most {SMALL.body_bytes} bytes"
    assert problem(ask(client, texts=["a" * 10_000_000])) == (413, "too-large", size)
    assert problem(ask(client, texts=["a" * 1001])) == (
        413,
        "too-large",
        "a text of 1001 characters: must be at most 1000",
    )
    parts = (b" " * 5000 for _ in range(5))  # its length is not told
    chunked = client.post("/v1/predict", content=parts, headers={"Content-Type": "application/json"})
    assert problem(chunked) == (413, "too-large", size)


def test_a_form_of_a_foreign_page_is_refused(client: TestClient) -> None:
    refused = client.post("/v1/predict", content=b'{"texts": ["a"]}', headers={"Content-Type": "text/plain"})
    assert problem(refused) == (415, "content-type", "Content-Type: must be application/json")


def test_an_address_that_is_not_there_and_a_wrong_method_are_problems(client: TestClient) -> None:
    assert problem(client.get("/v2/predict"))[:2] == (404, "not-found")
    assert problem(client.get("/v1/predict")) == (405, "method-not-allowed", "not with GET")


def test_an_error_of_the_server_is_a_problem_and_its_log_has_no_text(
    service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with TestClient(application(Assist(fresh(service)), log=True), raise_server_exceptions=False) as client:
        with monkeypatch.context() as broken:
            broken.setattr(type(service.current.model), "answer", _fail)
            assert problem(ask(client, texts=["a secret"]))[:2] == (500, "failed")
        assert ask(client, texts=["a secret"]).status_code == 200  # it lives
        counted = client.get("/metrics").text
    log = capsys.readouterr().err
    assert "KeyError, of which the message is left out" in log
    assert "POST /v1/predict 500 " in log
    assert "secret" not in log
    for outcome in ("failed", "answered"):
        assert f'lmmtc_serve_requests_total{{outcome="{outcome}"}} 1.0' in counted


def _fail(_model: object, questions: Any) -> None:
    raise KeyError(questions[0].record.text)


def test_the_model_describes_itself(client: TestClient) -> None:
    about = client.get("/v1/model").json()
    assert (about["run"], about["step"], about["labels"], about["most_given"]) == ("run", 20, 48, 4)
    assert about["reads_given"]
    assert about["reads_denied"]


def test_labels_are_found_by_the_beginnings_of_words(client: TestClient) -> None:
    found = client.get("/v1/labels", params={"q": "lab 4", "limit": 3}).json()["labels"]
    assert [each["label"] for each in found] == ["label 4", "label 42", "label 40"][: len(found)] or all(
        each["label"].startswith("label 4") for each in found
    )
    assert problem(client.get("/v1/labels", params={"limit": "many"}))[:2] == (422, "invalid-request")


def test_probes_say_that_it_lives_and_whether_it_is_ready(service: Service) -> None:
    served = fresh(service)
    with TestClient(application(Assist(served))) as client:
        assert (client.get("/healthz").text, client.get("/readyz").text) == ("ok\n", "ready\n")
        served.is_ready = False
        assert client.get("/healthz").status_code == 200
        assert problem(client.get("/readyz"))[:2] == (503, "not-ready")


def test_every_documented_address_is_there_and_every_one_that_is_there_is_documented(service: Service) -> None:
    routes = {
        (route.path, method.lower())  # pyright: ignore[reportAttributeAccessIssue] - of a Route
        for route in application(Assist(fresh(service))).routes
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD"
    }
    pages = {("/", "get"), ("/done", "get"), ("/docs", "get"), ("/openapi.json", "get"), ("/v1/", "get")}
    assert routes - pages == {(path, method) for path, item in document()["paths"].items() for method in item}
