"""Both drivers of a sum over chunks against the plain sum and its autograd."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from tests.trainer.memory import PeakBytes
from trainer.losses import checkpointed_sum, fused_sum

Driver = Callable[..., Tensor]
Tensors = Sequence[Tensor]

WIDTH = 3
FACTOR = -2.5  # of the loss: an engine scales it too
TERMS = 1000  # bf16 has 8 digits: there 256 + 1 is 256, and a sum of ones stays at it


def plain(loss_of: Any, chunks: Sequence[Any], own: Tensors, shared: Tensors, _parameters: Tensors) -> Tensor:
    """State what both drivers compute, as one graph over all chunks."""
    return torch.stack([loss_of(chunk, mine, shared) for chunk, mine in zip(chunks, own, strict=True)]).sum()


def joined(loss_of: Any, chunks: Sequence[Any], own: Tensors) -> tuple[Any, list[Any], Tensor, list[int]]:
    """Lay the chunks' own tensors out as columns of one, which is what the drivers take."""

    def loss_of_columns(chunk: tuple[Any, torch.Size], mine_1N: Tensor, shared: Tensors) -> Tensor:
        return loss_of(chunk[0], mine_1N.reshape(chunk[1]), shared)

    columns_1N = torch.cat([part.reshape(1, -1) for part in own], dim=1)
    return loss_of_columns, list(zip(chunks, [part.shape for part in own], strict=True)), columns_1N, [*map(size, own)]


def size(part: Tensor) -> int:
    return part.numel()


def fused(loss_of: Any, chunks: Sequence[Any], own: Tensors, shared: Tensors, parameters: Tensors) -> Tensor:
    """Call the driver that must be told the parameters."""
    return fused_sum(*joined(loss_of, chunks, own), shared, parameters)


def checkpointed(loss_of: Any, chunks: Sequence[Any], own: Tensors, shared: Tensors, _parameters: Tensors) -> Tensor:
    """Call the driver that finds parameters by itself."""
    return checkpointed_sum(*joined(loss_of, chunks, own), shared)


BOTH = pytest.mark.parametrize("driver", [fused, checkpointed])


def ones(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.ones(shape, dtype=dtype, requires_grad=True)


def assert_near(found: Tensors, wanted: Tensors, tolerance: float) -> None:
    """Compare tensors by the norm of their difference."""
    for place, (own, other) in enumerate(zip(found, wanted, strict=True)):
        assert own.dtype == other.dtype
        assert float((own - other).norm()) <= tolerance * float(other.norm()), place


@dataclass(frozen=True)
class Problem:
    """Rows that are cut into chunks of several sizes, a text that all of them read, and a parameter of both."""

    rows_RE: Tensor
    text_TE: Tensor
    weight_EE: Tensor
    sizes: list[int]

    @classmethod
    def draw(cls, sizes: list[int], dtype: torch.dtype, seed: int) -> "Problem":
        """Draw the three leaves."""
        torch.manual_seed(seed)
        parts = (torch.randn(length, WIDTH, dtype=torch.float64) for length in (sum(sizes), 4, WIDTH))
        return cls(*(part.to(dtype).requires_grad_() for part in parts), sizes)

    def solve(self, driver: Driver) -> Tensors:
        """Return the loss and the gradients of all leaves; text and parameter take part outside of the sum too."""
        keys_TE, values_TE = self.text_TE @ self.weight_EE, self.text_TE.sin()
        shared, chunks = [keys_TE, values_TE], range(len(self.sizes))
        loss = driver(self._loss_of, chunks, self.rows_RE.split(self.sizes), shared, [self.weight_EE])
        total = FACTOR * loss + keys_TE.square().sum()
        return loss.detach(), *torch.autograd.grad(total, (self.rows_RE, self.text_TE, self.weight_EE))

    def _loss_of(self, chunk: int, mine_CE: Tensor, shared: Tensors) -> Tensor:
        """Let no chunk do what another does; the first reads keys alone."""
        seen_CT = (mine_CE @ self.weight_EE).tanh() @ shared[0].T
        return (seen_CT @ shared[1]).square().sum() / chunk if chunk else seen_CT.sum()


@BOTH
# Sums in another order keep all but rounding: 2e-15 and 8e-7 were seen.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5), seed=st.integers(0, 10**6))
def test_loss_and_gradients_are_those_of_the_plain_sum(
    driver: Driver, dtype: torch.dtype, tolerance: float, sizes: list[int], seed: int
) -> None:
    problem = Problem.draw(sizes, dtype, seed)
    assert_near(problem.solve(driver), problem.solve(plain), tolerance)


@BOTH
def test_a_graph_that_is_kept_gives_the_same_gradients_twice(driver: Driver) -> None:
    own, shared, weight = leaves = [torch.rand(WIDTH, requires_grad=True) for _ in range(3)]
    loss = driver(lambda _, mine, wide: (mine * wide[0] * weight).sum(), [0], [own], [shared], [weight])
    first, second = (torch.autograd.grad(FACTOR * loss, leaves, retain_graph=True) for _ in range(2))
    assert_near(first, second, tolerance=0)


@BOTH
def test_what_no_chunk_reads_gets_no_gradient(driver: Driver) -> None:
    own, read, unread, weight = [ones(WIDTH) for _ in range(4)]
    loss = driver(lambda _, __, shared: shared[0].sum(), [0, 1], [own, own], [read, unread], [weight])
    first, *others = torch.autograd.grad(loss, (own, read, unread, weight), allow_unused=True)
    assert first is None or not first.any()
    assert [gradient is None for gradient in others] == [False, True, True]


@BOTH
def test_gradients_that_autograd_hands_out_as_one_tensor_stay_apart(driver: Driver) -> None:
    own_CE, shared, weight = leaves = [ones(2, WIDTH), ones(WIDTH), ones(WIDTH)]
    loss = driver(lambda _, mine, wide: (mine + wide[0] + weight).sum(), [0, 1], own_CE.unbind(), [shared], [weight])
    assert [gradient.unique().tolist() for gradient in torch.autograd.grad(loss, leaves)] == [[1], [2], [2]]


SUMS = pytest.mark.parametrize(("driver", "wanted"), [(plain, 256), (fused, TERMS), (checkpointed, TERMS)])


@SUMS
def test_gradients_of_shared_bf16_tensors_are_summed_in_fp32(driver: Driver, wanted: int) -> None:
    shared = ones(dtype=torch.bfloat16)
    driver(lambda _, mine, wide: mine * wide[0], range(TERMS), [ones()] * TERMS, [shared], []).backward()
    assert shared.grad is not None
    assert (float(shared.grad), shared.grad.dtype) == (wanted, torch.bfloat16)


@SUMS
@pytest.mark.parametrize("uses_before", [0, 1])
def test_gradients_of_a_parameter_under_autocast_are_summed_in_fp32(
    driver: Driver, wanted: int, uses_before: int
) -> None:
    own, weight = [ones(1, 1)] * TERMS, ones(1, 1)

    def loss_of(_: int, mine: Tensor, __: Tensors) -> Tensor:
        return functional.linear(mine, weight).float().sum()

    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(uses_before):
            loss_of(0, own[0], [])  # autocast keeps its bf16 copy of the weight for all that comes later
        loss = driver(loss_of, range(TERMS), own, [], [weight])
    assert [float(gradient) for gradient in torch.autograd.grad(loss, weight)] == [wanted]


@BOTH
def test_losses_in_bf16_are_summed_in_fp32(driver: Driver) -> None:
    own = [ones(dtype=torch.bfloat16)] * (TERMS + 1)
    loss = driver(lambda _, mine, __: mine * 1, range(TERMS + 1), own, [], []).detach()
    assert (float(loss), loss.dtype) == (TERMS + 1, torch.float32)  # in bf16, 1000 is followed by 1004


@BOTH
def test_what_a_chunk_does_outside_of_autocast_has_its_gradient_there_too(driver: Driver) -> None:
    torch.manual_seed(0)
    own, shared, weight = leaves = [torch.randn(16, 16, requires_grad=True) for _ in range(3)]

    def loss_of(_: int, mine: Tensor, wide: Tensors) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return (mine @ weight @ wide[0]).square().sum()

    with torch.autocast("cpu", torch.bfloat16):
        found, wanted = (solve(loss_of, [0], [own], [shared], [weight]) for solve in (driver, plain))
    # fp32, the same products; in bf16 they are off by 2e-3.
    assert_near(torch.autograd.grad(found, leaves), torch.autograd.grad(wanted, leaves), tolerance=1e-6)


@BOTH
def test_gradients_have_the_dropout_of_the_forward_that_gave_the_loss(driver: Driver) -> None:
    own_CE, shared, weight = leaves = [torch.rand(4, 50, dtype=torch.float64, requires_grad=True) for _ in range(3)]

    def loss_of(_: int, mine_E: Tensor, wide: Tensors) -> Tensor:
        return torch.cat([functional.dropout(leaf, 0.5).flatten() for leaf in (mine_E, wide[0], weight)]).sum()

    loss = driver(loss_of, range(4), own_CE.unbind(), [shared], [weight])
    # A linear function is what its gradient says; other zeros than the loss had would move it by some percent.
    parts = [(leaf * gradient).sum() for leaf, gradient in zip(leaves, torch.autograd.grad(loss, leaves), strict=True)]
    torch.testing.assert_close(torch.stack(parts).sum(), loss, rtol=1e-12, atol=0)


@BOTH
def test_dropout_is_drawn_as_the_plain_sum_draws_it(driver: Driver) -> None:
    own_CE, results = ones(4, 50), []
    for solve in (driver, plain):
        torch.manual_seed(3)
        loss = solve(lambda _, mine, __: functional.dropout(mine, 0.5).sum(), range(4), own_CE.unbind(), [], [])
        results.append((loss.detach(), *torch.autograd.grad(loss, own_CE)))
    assert_near(*results, tolerance=0)


def peak(driver: Driver, chunks: int) -> int:
    """Return the most bytes that were alive in forward and backward, leaves aside: 1,000 numbers in each chunk."""
    own_CE, shared, weight_EF = leaves = [ones(chunks, 8), ones(1000), ones(8, 1000)]

    def loss_of(_: int, mine_E: Tensor, wide: Tensors) -> Tensor:
        return ((mine_E @ weight_EF).sin().cos().exp() * wide[0]).sum()

    with PeakBytes(*leaves) as watch:
        loss = driver(loss_of, range(chunks), own_CE.unbind(), [shared], [weight_EF])
        torch.autograd.grad(FACTOR * loss, leaves)
    return watch.peak


@pytest.mark.parametrize(("driver", "least", "most"), [(fused, 0, 150), (checkpointed, 0, 150), (plain, 12000, 1e9)])
def test_a_further_chunk_leaves_the_gradient_of_its_rows_and_not_its_graph(
    driver: Driver, least: float, most: float
) -> None:
    # Bytes: 32 for the gradient, once or twice, and a few scalars; three tensors of the graph take 12,000.
    assert least <= (peak(driver, 40) - peak(driver, 10)) / 30 <= most


def test_fused_gradients_of_a_parameter_are_in_memory_twice_at_most() -> None:
    weight_bytes = 8 * 1000 * 4
    # The sum and the chunk's own, or what is handed over; and 8 tensors of the chunk.
    assert peak(fused, 5) <= 2 * weight_bytes + 8 * 4000
