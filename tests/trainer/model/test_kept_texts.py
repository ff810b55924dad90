"""Texts that are kept are read as if they were not; the least recently used go first."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.trainer.model.tiny import tiny_model
from trainer.model import KeptTexts


def batch(*texts: list[int]) -> tuple[Tensor, Tensor]:
    width = max(map(len, texts))
    ids_BT = torch.tensor([text + [0] * (width - len(text)) for text in texts])
    return ids_BT, torch.tensor([[True] * len(text) + [False] * (width - len(text)) for text in texts])


ONE, TWO, THREE = [5, 6, 7], [5, 6, 7, 8, 9], [11]


@pytest.mark.parametrize("family", ["bert", "modernbert", "roberta"])
def test_a_kept_text_is_read_as_it_is_without(tmp_path: Path, family: str) -> None:
    encoder, seen = tiny_model(tmp_path, family=family).encoder, list[bool]()
    encoder.eval()
    slots_BCI, mask_BC = torch.randn(3, 2, encoder.embedding_width), torch.ones(3, 2, dtype=torch.bool)
    with torch.no_grad():
        plain = encoder.read(*batch(TWO, ONE, THREE))
        wanted = encoder.extend(plain[1], slots_BCI, mask_BC)[0]
        encoder.kept = KeptTexts(1 << 20, seen.append)
        encoder.read(*batch(ONE))
        for _ in range(2):
            hidden_BTD, prefix = encoder.read(*batch(TWO, ONE, THREE))
            mask_BT = prefix.mask_BP
            # Texts are read in batches of another width: fp32 adds in another order.
            torch.testing.assert_close(hidden_BTD[mask_BT], plain[0][mask_BT], rtol=1e-4, atol=1e-5)
            found = encoder.extend(prefix, slots_BCI, mask_BC)[0]
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert seen == [False, False, True, False, True, True, True]


def test_with_gradients_nothing_is_kept(tmp_path: Path) -> None:
    encoder = tiny_model(tmp_path).encoder
    encoder.kept = KeptTexts(1 << 20, pytest.fail)
    assert encoder.read(*batch(ONE))[0].requires_grad


def test_no_more_is_kept_than_may_be(tmp_path: Path) -> None:
    encoder, seen = tiny_model(tmp_path).encoder, list[bool]()
    encoder.eval()
    with torch.no_grad():
        hidden_BTD, prefix = encoder.read(*batch(ONE))
        size = hidden_BTD.nbytes + sum(part.nbytes for part in prefix.tensors)
        encoder.kept = KeptTexts(2 * size, seen.append)
        for text in ([1, 2, 3], [4, 5, 6], [1, 2, 3], [7, 8, 9], [1, 2, 3], [4, 5, 6]):
            encoder.read(*batch(text))
    assert seen == [False, False, True, False, True, False]
