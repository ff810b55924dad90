"""The contenders of the attention benchmark compute the same, and what is printed is what was measured."""

import json
import sys

import pytest
import torch

from benchmarks import attention
from benchmarks.attention import CONTENDERS, Shape, ratios

SMALL = Shape(records=2, heads=3, width=4, queries=5, keys=12)


def test_all_contenders_attend_to_the_same() -> None:
    torch.manual_seed(0)
    *drawn, visible = SMALL.tensors()
    assert not bool(visible.all())
    results = {
        name: attend(*(tensor.to(dtype) for tensor in drawn), visible).float()
        for name, (attend, dtype) in CONTENDERS.items()
    }
    for result in results.values():
        # Scores and weights in bf16 keep 8 bits, of numbers of up to about 3.
        torch.testing.assert_close(result, results["SDPA fp32"], rtol=0, atol=0.05)


def test_ratios_are_of_forward_and_backward_together() -> None:
    times = {"SDPA bf16": (10.0, 110.0), "ours": (10.0, 30.0), "products bf16": (20.0, 40.0), "SDPA fp32": (9.0, 29.0)}
    assert ratios({"64x64": times}) == {"speedup_vs_sdpa_bf16_64x64": 3.0, "speedup_vs_products_bf16_64x64": 1.5}


def test_it_prints_each_contender_and_ends_with_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda _threads: None)
    small = ["--records=2", "--heads=3", "--width=4", "--rounds=1", "--places", "5x12"]
    monkeypatch.setattr(sys, "argv", ["attention", *small])
    attention.main()
    *table, last = capsys.readouterr().out.splitlines()
    assert len(table) == len(CONTENDERS)
    assert json.loads(last).keys() == {"speedup_vs_sdpa_bf16_5x12", "speedup_vs_products_bf16_5x12"}
