"""The cost of a step, against the operations that torch sees in one of a tiny model."""

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.quality.flops import step_flops
from tests.trainer.components import tiny_config
from trainer.config import Config
from trainer.data import State, TextBatch
from trainer.distributed import ONE_RANK
from trainer.labels import RowRange, ScanGradient, StepPort, build_candidates, new_table
from trainer.model import Normaliser
from trainer.training.components import build_model

LABELS, RECORDS, TOKENS, MASKED = 11, 2, 24, 6


def texts(revealed: int) -> TextBatch:
    """Two full texts, a quarter of them masked, with a label each, and so many places for labels that are revealed."""
    ids_BT = torch.full((RECORDS, TOKENS), 7)
    nothing = torch.full((RECORDS, revealed), -1)
    return TextBatch(
        ids_BT=ids_BT,
        originals_BT=ids_BT,
        masked_BT=(torch.arange(TOKENS) < MASKED).repeat(RECORDS, 1),
        mask_BT=torch.ones_like(ids_BT, dtype=torch.bool),
        weights_B=torch.ones(RECORDS),
        labels=torch.tensor([3, 5]),
        label_offsets=torch.tensor([0, 1, 2]),
        revealed_BV=nothing,
        revealed_states_BV=torch.full_like(nothing, State.MASK),
        excluded_BN=torch.full((RECORDS, 1), -1),
    )


def counted(config: Config) -> int:
    """Count one micro-step's products of matrices, not those with vectors.

    Of two kernels torch keeps no books: SDPA's for CPUs, and in-place addmm.
    """
    model = build_model(config)
    table = new_table(config, np.ones(LABELS), RECORDS, model.encoder.width, RowRange(0, LABELS))
    labels = build_candidates(config, table, LABELS, ONE_RANK)
    by, batch = Normaliser(1, 1, 1), texts(int(config.cloze.reads_context))
    learn = partial(labels.learn, normaliser=by, sink=lambda _, gradient: use(gradient), step=1)

    with (
        FlopCounterMode(display=False, custom_mapping=BOOKS) as counter,
        sdpa_kernel(SDPBackend.MATH),
    ):
        losses, _ = model(batch, StepPort(labels, learn, batch), by, lambda _: nullcontext())
        losses.total.backward()
    return counter.get_total_flops()


def use(gradient: ScanGradient) -> None:
    gradient.multiplied()


def products_of_addmm(_sum: object, left: torch.Size, right: torch.Size, **_: object) -> int:
    return 2 * left.numel() * right[1]


BOOKS = {torch.ops.aten.addmm_: products_of_addmm}
CONTROL, SHORTLIST = {"enabled": False}, {"shortlist": 9, "chunk": 4}
ALL_SLOTS, JOINT = {"slots": "all", "chunk": 4}, {"slots": "all", "attention": "joint"}
CONTEXT, BEHIND = {"slots": "none", "context": "joint"}, {"slots": "none", "context": "prefix"}
BOTH = SHORTLIST | {"context": "joint"}


@pytest.mark.parametrize(
    ("cloze", "mlm"),
    [
        *((CONTROL, 0), (CONTROL, 0.5), (SHORTLIST, 0), (SHORTLIST, 0.5), (ALL_SLOTS, 0.5), (JOINT, 0), (JOINT, 0.5)),
        *((CONTEXT, 0), (CONTEXT, 0.5), (BEHIND, 0), (BEHIND, 0.5), (BOTH, 0.5)),
    ],
)
def test_a_step_costs_the_products_that_it_makes(tiny_encoder: Path, cloze: dict[str, Any], mlm: float) -> None:
    config = tiny_config(
        Path(),
        tiny_encoder,
        model={"max_tokens": TOKENS, "label_width": None},
        cloze=cloze,
        mlm={"weight": mlm, "probability": MASKED / TOKENS},
        train={"global_batch": RECORDS},
    )
    assert step_flops(config, LABELS) == counted(config)
