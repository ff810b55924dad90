"""Every panel of a board about training has something to show: two real ranks, scraped by a real Prometheus."""

import time
from collections import deque
from pathlib import Path
from threading import Thread

import pytest
from matplotlib.image import imread

from deploy.grafana.asking import Span, ask
from deploy.grafana.picture import draw
from deploy.grafana.reading import boards, questions
from launcher.ports import free_port
from tests.panels import now, shows
from tests.programs import PROGRAMS, started, write_run
from tests.prometheus_server import LOCAL, needs_servers, prometheus, wait_until

pytestmark = [pytest.mark.ranks, pytest.mark.slow, needs_servers]

# What a run on a CPU, with its data in a folder, cannot show.
EMPTY = {
    "GPU memory of the fullest rank": "torch hands out GPU memory only where there is a GPU",
    "Found in the cache": "there is a cache only where the data set is in a bucket",
}
LARGEST_PICTURE = 200_000  # bytes


@pytest.fixture
def config(tmp_path: Path, tiny_dataset: Path, tiny_encoder: Path, port: int) -> Path:
    """Configure a run without end that evaluates and saves all the time."""
    return write_run(
        tmp_path,
        tiny_dataset,
        tiny_encoder,
        cloze={"slots": "shortlist", "shortlist": 12, "chunk": 5},  # so that panels about slots have something to show
        train={"steps": 10**6, "global_batch": 8, "micro_batch": 4, "lr": 1e-3},
        checkpoint={"every_steps": 20},
        evaluation={"every_steps": 20, "records": 8},
        telemetry={"port": port, "peak_flops": 1e9},
    )


def test_every_panel_has_finite_numbers_to_show(config: Path, port: int, tmp_path: Path) -> None:
    training = {name: board for name, board in boards().items() if name != "serving"}  # tests/launcher/serving has it
    asked = [question for board in training.values() for question in questions(board, "10s")]
    with started(PROGRAMS / "lmmtc", "train", "--nproc", 2, "--", "--config", config) as running:
        Thread(target=deque, args=(running.stdout, 0), daemon=True).start()  # a full pipe would stop rank 0
        wait_until(lambda: list((tmp_path / "run").glob("checkpoints/step-*")), timeout=150)
        targets = [f"{LOCAL}:{port}", f"{LOCAL}:{port + 1}"]
        with prometheus(tmp_path, targets, alertmanager=free_port()) as server:
            url, start = f"http://{LOCAL}:{server.port}", time.time()
            waiting = [question for question in asked if question.title not in EMPTY]
            while waiting := [question for question in waiting if not shows(url, question)]:
                assert time.time() < start + 60, f"nothing finite to show: {waiting}"
                time.sleep(1)
            assert {question.title for question in asked if not ask(url, question.expression, now())} == set(EMPTY)
            pictures = draw(url, Span(start, time.time(), 1), tmp_path)
    assert {path.stem for path in pictures} == set(boards())
    for path in pictures:
        assert path.stat().st_size < LARGEST_PICTURE
        # An empty sheet is white all over.
        assert path.stem not in training or imread(path).std() > 0.05
