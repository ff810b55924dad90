"""Two ranks under a real Prometheus: what it works out of them, and who is called when one of them is killed."""

import math
from collections import deque
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest

from tests.deploy.prometheus.rules import all_rules, load
from tests.programs import PROGRAMS, started, write_run
from tests.prometheus_server import LOCAL, Prometheus, alertmanager, fetch, needs_servers, pager, prometheus, wait_until

pytestmark = [pytest.mark.ranks, pytest.mark.slow, needs_servers]


@pytest.fixture
def config(tmp_path: Path, tiny_dataset: Path, tiny_encoder: Path, port: int) -> Path:
    """Configure a run without end that saves now and then."""
    return write_run(
        tmp_path,
        tiny_dataset,
        tiny_encoder,
        train={"steps": 10**6, "global_batch": 8, "micro_batch": 4, "lr": 1e-3},
        checkpoint={"every_steps": 20},
        evaluation={"every_steps": 10**6},
        telemetry={"port": port},
    )


def test_a_killed_rank_reaches_somebody(config: Path, port: int, tmp_path: Path) -> None:
    targets = [f"{LOCAL}:{port}", f"{LOCAL}:{port + 1}"]
    with (
        pager() as (listening, received),
        alertmanager(tmp_path, listening) as alerts,
        started(PROGRAMS / "lmmtc", "train", "--nproc", 2, "--", "--config", config) as running,
    ):
        Thread(target=deque, args=(running.stdout, 0), daemon=True).start()  # a full pipe would stop rank 0
        wait_until(lambda: list((tmp_path / "run").glob("checkpoints/step-*")), timeout=150)
        with prometheus(tmp_path, targets, alerts) as server:
            wait_until(lambda: server.query("run:lmmtc_data_wait:ratio_rate5m"))
            wait_until(lambda: server.query("run:lmmtc_checkpoint_interval_seconds:max"))
            assert server.query("run:lmmtc_ranks:count") == {"run": 2}
            assert server.query("run:lmmtc_world_size:max") == {"run": 2}
            assert server.query("up") == dict.fromkeys(targets, 1)
            check_records(server)
            assert not [alert for alert in fetch(f"http://{LOCAL}:{alerts}/api/v2/alerts") if of_a_rank(alert)]

            ranks = psutil.Process(running.pid).children()
            next(rank for rank in ranks if rank.environ()["RANK"] == "1").kill()
            wait_until(lambda: any(map(of_a_rank, received)))
            assert any(map(of_a_rank, fetch(f"http://{LOCAL}:{alerts}/api/v2/alerts")))
            assert server.query("up")[targets[1]] == 0
        alert = next(filter(of_a_rank, received))
        assert alert["status"] == "firing"
        assert alert["labels"]["job"] == "lmmtc"
        assert alert["labels"]["run_id"] == "run"
        assert alert["annotations"]["summary"] in ("run: 1 ranks are not there", "run: 2 ranks are not there")
        assert running.wait(timeout=60) == 137


def check_records(server: Prometheus) -> None:
    """Check that every recorded series of a training run is there, of this run, and finite."""
    for rule in all_rules(load("rules.yml")):
        record = rule.get("record", "")
        if record and not record.startswith("run:lmmtc_serve_"):  # tests/launcher/serving/test_board.py has those
            answer = server.query(record)
            assert set(answer) == {"run"}, record
            assert math.isfinite(answer["run"]), record


def of_a_rank(alert: dict[str, Any]) -> bool:
    return alert["labels"]["alertname"] == "LmmtcRankVanished"
