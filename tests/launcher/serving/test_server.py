"""The real server, as a process of its own: clients that hang up or are slow, a full house, and its end."""

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Thread
from time import sleep

import pytest
import requests

from launcher.ports import free_port
from launcher.serving.server import ServeSettings
from tests.launcher.conftest import Lmmtc
from tests.launcher.serving.conftest import Address, problem, serving
from tests.programs import end_of

pytestmark = pytest.mark.ranks

TEXT = "topic 3 and topic 9"


def ask(server: Address) -> requests.Response:
    return requests.post(f"{server}/v1/predict", json={"texts": [TEXT] * 4}, timeout=30)


def test_clients_that_hang_up_or_are_slow_hold_nobody_up(server: Address) -> None:
    question = b'{"texts": ["a"]}'
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    slow = [socket.create_connection((server.host, server.port)) for _ in range(200)]
    for place, connection in enumerate(slow):
        whole = head + b"Content-Length: %d\r\n\r\n" % len(question)
        connection.sendall([head[:-20], whole, whole + question[:5], b"\x00\xff\r\n\r\n"][place % 4])
    for connection in slow[::2]:
        connection.close()
    assert ask(server).status_code == 200
    for connection in slow:
        connection.close()


def test_a_hundred_at_once_are_answered_or_told_to_come_back(server: Address) -> None:
    with ThreadPoolExecutor(100) as clients:
        answers = list(clients.map(lambda _: ask(server), range(100)))
    wanted = ask(server).json()["results"]
    for answer in answers:
        if answer.status_code == 200:
            found = answer.json()["results"]
            assert [[each["label"] for each in one["labels"]] for one in found] == [
                [each["label"] for each in one["labels"]] for one in wanted
            ]
        else:
            assert problem(answer)[:2] == (429, "busy")
            assert int(answer.headers["retry-after"]) >= 1
    assert {answer.status_code for answer in answers} >= {200}


def test_sigterm_ends_it_once_all_is_answered(run: Path) -> None:
    with serving(run) as (address, program):
        answers: list[int] = []

        def client() -> None:
            with suppress(requests.ConnectionError):  # came too late to be let in
                answers.append(ask(address).status_code)

        asking = [Thread(target=client) for _ in range(10)]
        for thread in asking:
            thread.start()
        sleep(0.1)
        program.send_signal(signal.SIGTERM)
        for thread in asking:
            thread.join()
        ended = end_of(program, code=0)
    assert 200 in answers
    assert set(answers) <= {200, 503}
    assert ended.err.endswith("ended: all that was asked has been answered\n")
    assert "topic" not in ended.err
    assert "POST /v1/predict 200 " in ended.err


def test_a_port_that_is_taken_is_named_before_anything_is_loaded(lmmtc: Lmmtc, tmp_path: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        said = lmmtc("serve", tmp_path, "--port", port)
    assert said.code == 78
    why = "Address already in use: choose another, or port 0 for any free one"
    assert said.err == f"ConfigError: --host 127.0.0.1 --port {port}: {why}\n"


def test_a_folder_that_is_no_run_is_named(lmmtc: Lmmtc, tmp_path: Path) -> None:
    said = lmmtc("serve", tmp_path, "--port", 0)
    assert (said.code, said.err) == (
        78,
        f"ConfigError: {tmp_path}: is not the folder of a run: it has no config.json\n",
    )


def test_an_empty_token_is_refused(lmmtc: Lmmtc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMMTC_SERVE_TOKEN", " ")
    said = lmmtc("serve", tmp_path)
    assert said.code == 78
    assert said.err.startswith("ConfigError: LMMTC_SERVE_TOKEN is empty: ")


def test_who_listens_to_others_without_a_token_is_warned(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from launcher.serving.server import _announce, build

    service = build(ServeSettings(run))
    for host, token, warned in (("0.0.0.0", None, True), ("0.0.0.0", "x", False), ("::1", None, False)):  # noqa: S104
        _announce(ServeSettings(run, host, token=token), service, 8000)
        assert ("WARNING" in capsys.readouterr().err) == warned


def test_nothing_that_is_asked_is_kept(run: Path) -> None:
    kept = [path.read_bytes() for path in (run / "serving").iterdir()]
    assert not any(TEXT.encode() in content for content in kept)
    assert json.dumps(sorted(path.name for path in (run / "serving").iterdir())) == '["labels.sqlite"]'
