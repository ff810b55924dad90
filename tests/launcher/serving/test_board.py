"""Every panel of the servers' board has something to show of a real server, scraped by a real Prometheus."""

import time
from pathlib import Path

import pytest
import requests

from deploy.grafana.reading import boards, questions
from launcher.ports import free_port
from tests.launcher.serving.conftest import serving
from tests.panels import shows
from tests.prometheus_server import LOCAL, needs_servers, prometheus


@pytest.mark.slow
@needs_servers
def test_every_panel_of_the_servers_board_has_finite_numbers_to_show(run: Path, tmp_path: Path) -> None:
    waiting = list(questions(boards()["serving"], "10s"))
    with (
        serving(run) as (address, _),
        prometheus(tmp_path, [f"{LOCAL}:{address.port}"], alertmanager=free_port()) as server,
    ):
        ends = time.time() + 60
        while waiting := [question for question in waiting if not shows(f"http://{LOCAL}:{server.port}", question)]:
            assert time.time() < ends, f"nothing finite to show: {waiting}"
            assert requests.post(f"{address}/v1/predict", json={"texts": ["topic 3"]}, timeout=60).ok
            time.sleep(0.5)
