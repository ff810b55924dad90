"""Annif's API: `annif-client`, which knows nothing of this project, takes a real server for an Annif."""

from pathlib import Path

import pytest
import requests
from annif_client import AnnifClient
from starlette.testclient import TestClient

from tests.launcher.serving.conftest import Address, problem

pytestmark = pytest.mark.ranks

TEXT = "topic 3 and topic 9"


@pytest.fixture
def annif(server: Address) -> AnnifClient:
    return AnnifClient(api_base=f"{server}/v1/")


def test_the_run_is_its_one_project(annif: AnnifClient, run: Path) -> None:
    assert "version" in annif.api_info
    [project] = annif.projects
    assert (project["project_id"], project["is_trained"]) == (run.name, True)
    assert annif.get_project(run.name) == project
    with pytest.raises(ValueError, match=f"no such project; there is one: {run.name}"):
        annif.get_project("yso-en")


def test_it_suggests_what_predict_answers(annif: AnnifClient, server: Address, run: Path) -> None:
    [answer] = requests.post(f"{server}/v1/predict", json={"texts": [TEXT], "top": 10}, timeout=20).json()["results"]
    wanted = [(each["label"], pytest.approx(each["probability"])) for each in answer["labels"]]
    found = annif.suggest(run.name, TEXT)
    assert [(each["uri"], each["score"]) for each in found] == wanted
    assert {each["label"] for each in found} <= {each["uri"] for each in found}  # these labels have no texts
    limit = found[3]["score"]
    assert annif.suggest(run.name, TEXT, limit=9, threshold=limit) == found[:4]


def test_it_suggests_for_a_batch(annif: AnnifClient, run: Path) -> None:
    documents = [{"text": TEXT, "document_id": "one", "subjects": []}, {"text": "topic 12"}]
    first, second = annif.suggest_batch(run.name, documents, limit=3)
    assert (first["document_id"], second["document_id"]) == ("one", None)
    assert [each["uri"] for each in first["results"]] == [
        each["uri"] for each in annif.suggest(run.name, TEXT, limit=3)
    ]
    assert len(second["results"]) == 3


def test_learning_is_refused_with_what_to_do(annif: AnnifClient, run: Path) -> None:
    with pytest.raises(requests.HTTPError) as refused:
        annif.learn(run.name, [{"text": TEXT, "subjects": []}])
    answer = refused.value.response
    assert problem(answer) == (
        403,
        "not-supported",
        "this server does not learn; train a run with lmmtc train, and serve it",
    )


@pytest.mark.parametrize(
    ("form", "kind", "said"),
    [
        ("limit=3", "invalid-request", "text: is missing"),
        ("text=a&limit=none", "invalid-request", "limit: must be a number from 1 to 48"),
        ("text=a&threshold=nan", "invalid-request", "threshold: must be a number from 0 to 1"),
        ("text=%ff", "not-a-form", "the body: must be a form in UTF-8"),
        ("&".join(["text=a"] * 20), "not-a-form", "the body: must be a form in UTF-8"),
    ],
)
def test_a_form_that_is_none_is_refused(client: TestClient, form: str, kind: str, said: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    found = problem(client.post("/v1/projects/run/suggest", content=form.encode(), headers=headers))
    assert found[1] == kind
    assert found[2].startswith(said)
