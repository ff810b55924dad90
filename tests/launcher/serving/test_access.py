"""Who may ask: the token, the names of the server, and what browsers are told."""

import pytest
from starlette.testclient import TestClient

from launcher.serving.access import LOOPBACK, OPEN
from launcher.serving.api import Service
from launcher.serving.application import application
from launcher.serving.assist import Assist
from tests.launcher.serving.conftest import fresh, problem

TOKEN = "geheim-ü"  # noqa: S105


@pytest.fixture
def guarded(service: Service) -> TestClient:
    return TestClient(application(Assist(fresh(service)), token=TOKEN))


@pytest.mark.parametrize("said", [None, "Bearer", "Bearer geheim", "Basic geheim-ü", "Bearer geheim-ü-and-more"])
def test_who_has_not_the_token_is_refused(guarded: TestClient, said: str | None) -> None:
    headers = {} if said is None else {"Authorization": said.encode()}
    refused = guarded.get("/v1/model", headers=headers)  # pyright: ignore[reportArgumentType]
    assert problem(refused)[:2] == (401, "unauthorized")
    assert refused.headers["www-authenticate"] == "Bearer"


def test_who_has_the_token_is_answered(guarded: TestClient) -> None:
    token = {"Authorization": "bearer geheim-ü".encode()}
    assert guarded.get("/v1/model", headers=token).status_code == 200  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("path", [*OPEN, "/page/style.css"])
def test_what_shows_nothing_is_open_to_all(guarded: TestClient, path: str) -> None:
    assert guarded.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/page/../v1/model", "/page/../../api.py", "/page/%2e%2e/api.py"])
def test_no_path_leads_past_the_token(guarded: TestClient, path: str) -> None:
    assert guarded.get(path).status_code in (401, 404)


@pytest.mark.parametrize("name", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000"])
def test_a_server_of_this_machine_is_asked_by_its_own_names(service: Service, name: str) -> None:
    client = TestClient(application(Assist(fresh(service)), names=LOOPBACK))
    assert client.get("/v1/model", headers={"Host": name}).status_code == 200


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example:8000", "", "localhost:x"])
def test_a_foreign_name_that_leads_to_this_machine_is_refused(service: Service, name: str) -> None:
    client = TestClient(application(Assist(fresh(service)), names=LOOPBACK))
    assert problem(client.get("/v1/model", headers={"Host": name}))[:2] == (403, "wrong-host")


@pytest.mark.parametrize("path", ["/", "/v1/model", "/nothing"])
def test_a_browser_is_told_to_load_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_a_path_cannot_write_a_line_of_log(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    client = TestClient(application(Assist(fresh(service)), log=True))
    client.get("/v1/labels%0AGET /forged", params={"q": "a secret"})
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("GET /v1/labels\\nGET /forged 404 ")
