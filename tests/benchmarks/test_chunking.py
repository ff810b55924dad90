"""The contenders of the chunking benchmark do the same work, and its floor counts what they must multiply."""

import pytest
import torch

from benchmarks.chunking.contenders import CONTENDERS, Task
from benchmarks.chunking.matmuls import products
from benchmarks.chunking.task import RECORDS, TOKENS, make_task

LABELS, CHUNK = 12, 5


@pytest.fixture(scope="module")
def task() -> Task:
    return make_task(LABELS, CHUNK)


def gradients(task: Task, name: str) -> dict[str, torch.Tensor]:
    task.model.zero_grad()
    task.rows_LX.grad = None
    loss = CONTENDERS[name](task)
    assert task.rows_LX.grad is not None
    dense = {key: parameter.grad for key, parameter in task.model.named_parameters() if parameter.grad is not None}
    return {"loss": loss, "rows": task.rows_LX.grad} | dense


def test_ours_is_the_full_sequence(task: Task) -> None:
    ours, full = (gradients(task, name) for name in ("ours", "full"))
    assert ours.keys() == full.keys()
    for name, wanted in full.items():
        # fp32 sums in another order, relative to the whole tensor.
        assert float((ours[name] - wanted).norm()) <= 1e-5 * float(wanted.norm()) + 1e-6, name


def test_reading_the_text_again_costs_it_in_every_chunk(task: Task) -> None:
    assert gradients(task, "reencode").keys() == gradients(task, "full").keys()


def test_the_floor_is_six_times_the_parameters_a_token_and_attention(task: Task) -> None:
    width, layers = 384, 6
    matrices = layers * 12 * width**2
    slots = RECORDS * 3 * CHUNK  # three chunks, counted full
    linear = 6 * (matrices * (RECORDS * TOKENS + slots) + 2 * width**2 * slots)
    attention = 12 * layers * width * (RECORDS * TOKENS * TOKENS + slots * (TOKENS + CHUNK))
    assert sum(times * product.flops for times, product in products(task)) == linear + attention
