"""Losses of slots and of masked tokens against their definitions."""

import math

import pytest
import torch
from torch import Tensor

from trainer.losses import masked_token_loss, slot_loss


def test_the_loss_of_slots_is_the_weighted_log_loss_of_each() -> None:
    logits, targets, weights = [[2.0, -3.0, 0.5]], [[True, True, False]], [[1.0, 0.5, 0.0]]
    found = slot_loss(*(torch.tensor(values) for values in (logits, targets, weights)))
    assert float(found) == pytest.approx(math.log1p(math.exp(-2)) + 0.5 * math.log1p(math.exp(3)), rel=1e-6)


def test_the_loss_of_masked_tokens_is_the_sum_of_their_negative_log_probabilities() -> None:
    found = masked_token_loss(torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([1, 0]))
    assert float(found) == pytest.approx(math.log1p(math.exp(-1)) + math.log(2), rel=1e-6)


def test_the_loss_of_no_masked_token_is_zero_with_a_graph() -> None:
    logits_MV = torch.empty(0, 5, requires_grad=True)
    loss = masked_token_loss(logits_MV, torch.empty(0, dtype=torch.long))
    (gradient_MV,) = torch.autograd.grad(loss, logits_MV)
    assert (float(loss.detach()), gradient_MV.shape) == (0, logits_MV.shape)


@pytest.mark.parametrize(
    ("given", "taken"),
    [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
def test_losses_are_taken_in_fp32_at_least(given: torch.dtype, taken: torch.dtype) -> None:
    def losses(logits_BC: Tensor) -> list[Tensor]:
        slots = slot_loss(logits_BC, torch.eye(3, dtype=torch.bool), torch.ones(3, 3))
        return [slots, masked_token_loss(logits_BC, torch.arange(3))]

    logits_BC = torch.linspace(-1, 1, 9).view(3, 3).to(given)
    for found, wanted in zip(losses(logits_BC), losses(logits_BC.double()), strict=True):
        assert found.dtype == taken
        # A few roundings of the type it is taken in; bf16's would be 4e-3.
        torch.testing.assert_close(found.double(), wanted, rtol=8 * torch.finfo(taken).eps, atol=0)
