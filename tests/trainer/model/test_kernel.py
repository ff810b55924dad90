"""The attention kernel against scores, softmax and sums that are written out, in float64."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainer.model import prefix

RECORDS, HEADS, QUERIES, KEYS, WIDTH = 3, 4, 5, 9, 8
SCALING = WIDTH**-0.5
# bf16 keeps 8 bits, so that rounding a result once is off by 2^-9 of it; what fp32 does before that is far below.
ONE_ROUNDING = {"rtol": 2.0**-8, "atol": 1e-6}


class Module(nn.Module):
    """What SDPA asks of an attention layer: how many query heads share a head of keys and values."""

    def __init__(self, groups: int = 1) -> None:
        super().__init__()
        self.num_key_value_groups = groups
        self.is_causal = False


def heads(groups: int = 1, dtype: torch.dtype = torch.bfloat16) -> tuple[Tensor, Tensor, Tensor]:
    """Draw queries, keys and values that bf16 can hold."""
    torch.manual_seed(5)
    shapes = ((HEADS, QUERIES), (HEADS // groups, KEYS), (HEADS // groups, KEYS))
    query, key, value = (torch.randn(RECORDS, *shape, WIDTH).bfloat16().to(dtype) for shape in shapes)
    return query.requires_grad_(), key.requires_grad_(), value.requires_grad_()


def padded() -> Tensor:
    """Let every query see the same keys of its record, of which the last ones are padding."""
    return (torch.arange(KEYS) < torch.tensor([[9], [4], [1]]))[:, None, None, :]


def each_its_own() -> Tensor:
    """Let queries see different keys; some of the last record, as padding under a window does, see none."""
    generator = torch.Generator().manual_seed(6)
    visible = torch.rand(RECORDS, 1, QUERIES, KEYS, generator=generator) < 0.5
    visible[..., 0] = True
    visible[-1, :, 2:] = False
    return visible


MASKS = {"none": None, "padding": padded(), "rows that see nothing": each_its_own()}


def by_hand(query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None) -> Tensor:
    """State attention: [B, C, H, Dh]; a query that sees nothing gets zeros."""
    key, value = (each.repeat_interleave(HEADS // each.shape[1], dim=1) for each in (key, value))
    scores = query @ key.mT * SCALING
    if visible is None:
        return (scores.softmax(dim=-1) @ value).transpose(1, 2)
    powers = scores.exp() * visible
    return (powers / powers.sum(dim=-1, keepdim=True).clamp(min=1e-300) @ value).transpose(1, 2)


def attend(tensors: tuple[Tensor, ...], visible: Tensor | None, groups: int = 1, **options: Any) -> Tensor:
    attended, _ = prefix.kernel(Module(groups), *tensors, visible, scaling=SCALING, **options)
    return attended


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("mask", MASKS)
def test_bf16_on_a_cpu_is_rounded_once_at_the_end(groups: int, mask: str) -> None:
    visible, tensors = MASKS[mask], heads(groups)
    exact = tuple(tensor.detach().double().requires_grad_() for tensor in tensors)
    attended, wanted = attend(tensors, visible, groups), by_hand(*exact, visible)
    assert attended.dtype is torch.bfloat16
    torch.testing.assert_close(attended.double(), wanted, **ONE_ROUNDING)

    weights = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(7)).bfloat16()
    found = torch.autograd.grad(attended, tensors, weights)
    for gradient, right in zip(found, torch.autograd.grad(wanted, exact, weights.double()), strict=True):
        assert gradient.dtype is torch.bfloat16
        torch.testing.assert_close(gradient.double(), right, **ONE_ROUNDING)


def test_a_row_that_sees_nothing_is_finite_and_so_are_the_gradients() -> None:
    tensors = heads()
    attended = attend(tensors, each_its_own())
    assert bool(attended.isfinite().all())
    assert all(bool(gradient.isfinite().all()) for gradient in torch.autograd.grad(attended.sum(), tensors))


def test_rotated_queries_and_keys_that_autocast_left_in_fp32_are_not_rounded() -> None:
    query, key, value = heads()
    query, key = (torch.randn(each.shape).requires_grad_() for each in (query, key))
    with torch.autocast("cpu", torch.bfloat16):
        attended = attend((query, key, value), padded())
    assert attended.dtype is torch.bfloat16
    wanted = by_hand(query.double(), key.double(), value.double(), padded())
    torch.testing.assert_close(attended.double(), wanted, **ONE_ROUNDING)


def test_what_is_dropped_is_what_sdpa_drops_in_fp32() -> None:
    tensors = heads()
    torch.manual_seed(8)
    attended = attend(tensors, padded(), dropout=0.5)
    torch.manual_seed(8)
    wanted = attend(tuple(tensor.float() for tensor in tensors), padded(), dropout=0.5)
    assert torch.equal(attended, wanted.bfloat16())
    assert not torch.equal(attended, attend(tensors, padded()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_not_bf16_is_left_as_it_is(dtype: torch.dtype) -> None:
    tensors = heads(dtype=dtype)
    attended = attend(tensors, padded())
    assert attended.dtype is dtype
    wanted = by_hand(*(tensor.double() for tensor in tensors), padded())
    torch.testing.assert_close(attended.double(), wanted, rtol=0, atol=1e-6)  # fp32 keeps 1e-7


def test_another_device_is_given_bf16_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def sdpa(_: nn.Module, *tensors: Tensor, **__: Any) -> tuple[Tensor, None]:
        given.extend(tensor.dtype for tensor in tensors)
        return tensors[0], None

    monkeypatch.setattr(prefix, "sdpa_attention_forward", sdpa)
    attend(tuple(tensor.to("meta") for tensor in heads()), padded().to("meta"))
    assert given == [torch.bfloat16] * 3 + [torch.bool]
