"""Counted operations against those that torch counts while a step runs, and against a sum by hand."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.trainer.model.tiny import FAMILIES, LABEL_WIDTH, VOCABULARY, WIDTH, tiny_model
from trainer.config import Config
from trainer.model import Model, ModelFlops, build_form, load_encoder

INNER, LAYERS, LABELS = 24, 2, 30


def config(encoder: Path, **sections: dict[str, Any]) -> Config:
    tree: dict[str, dict[str, Any]] = {
        "run": {"folder": "unused"},
        "data": {"dataset": "unused"},
        "model": {"encoder": encoder, "label_width": LABEL_WIDTH, "max_tokens": 20},
        "train": {"steps": 1, "global_batch": 1, "micro_batch": 1},
        "cloze": {"chunk": 4, "slots": "shortlist", "context": "none"},
    }
    for name, values in sections.items():
        tree[name] = tree.get(name, {}) | values
    return Config.model_validate(tree)


def built(folder: Path, **sections: dict[str, Any]) -> tuple[Model, Config]:
    tiny_model(folder)
    settings = config(folder, **sections)
    return build_form(load_encoder(settings.model), settings), settings


def test_a_step_costs_what_its_sum_by_hand_says(tmp_path: Path) -> None:
    flops = ModelFlops.of(*built(tmp_path), LABELS)
    records, tokens, masked, slots = 3, 30, 5, 18  # 10 tokens a record, and 6 slots: a chunk of 4 and one of 2
    weights = 4 * WIDTH**2 + 2 * WIDTH * INNER
    pairs = 10**2 + 4 * (10 + 4) + 2 * (10 + 2)
    by_hand = (
        LAYERS * weights * (tokens + slots)
        + LAYERS * 2 * WIDTH * pairs * records
        + (WIDTH * LABEL_WIDTH + LABEL_WIDTH * LABELS) * records
        + (WIDTH * WIDTH + WIDTH * LABEL_WIDTH + LABEL_WIDTH * WIDTH) * slots  # way in: label width to word width
        + (WIDTH * WIDTH + WIDTH * VOCABULARY) * masked
    )
    assert flops.of_step(records, tokens, masked, slots) == pytest.approx(6 * by_hand)


@pytest.mark.parametrize("context", ["joint", "prefix"])
def test_a_context_costs_a_query_slot_that_sees_its_text(tmp_path: Path, context: str) -> None:
    cloze = {"context": context, "slots": "none"}
    flops = ModelFlops.of(*built(tmp_path, cloze=cloze, mlm={"own_pass": True}), LABELS)
    records, tokens, masked = 3, 30, 5
    weights = 4 * WIDTH**2 + 2 * WIDTH * INNER
    by_hand = (
        LAYERS * weights * (2 * tokens + records)
        + LAYERS * 2 * WIDTH * (2 * 10**2 + 10 + 1) * records
        + (WIDTH * LABEL_WIDTH + LABEL_WIDTH * LABELS + WIDTH * WIDTH + WIDTH * LABEL_WIDTH) * records
        + (WIDTH * WIDTH + WIDTH * VOCABULARY) * masked
    )
    assert flops.of_step(records, tokens, masked, 0) == pytest.approx(6 * by_hand)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_token_costs_in_every_family_what_torch_counts_for_it_in_a_whole_text(family: str, tmp_path: Path) -> None:
    model = tiny_model(tmp_path, family=family)
    flops = ModelFlops.of(model, config(tmp_path), LABELS)
    ids_BT = torch.randint(5, VOCABULARY, (3, 7))
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        model.encoder.read(ids_BT, torch.ones_like(ids_BT).bool())
    products = sum(
        operations
        for operation, operations in counted.get_flop_counts()["Global"].items()
        if "attention" not in str(operation)  # torch has a formula for some kernels of it, for others none
    )
    assert flops.position * 3 * 7 == products / 2


def test_a_masked_text_that_is_read_by_itself_is_a_second_text(tmp_path: Path) -> None:
    once, twice = (ModelFlops.of(*built(tmp_path / str(own), mlm={"own_pass": own}), LABELS) for own in (False, True))
    assert twice.of_step(2, 20, 0, 0) - once.of_step(2, 20, 0, 0) == pytest.approx(
        6 * (once.position * 20 + once.pair * 2 * 10**2)
    )


def test_under_joint_attention_all_see_all_and_nothing_is_scanned(tmp_path: Path) -> None:
    cloze = {"attention": "joint", "slots": "all", "label_tokens": 3}
    flops = ModelFlops.of(*built(tmp_path, cloze=cloze), 5)
    slots = 2 * 5
    by_hand = flops.position * (20 + 3 * slots) + flops.pair * 2 * (10 + 15) ** 2 + flops.slot * slots
    assert flops.record == 0
    assert flops.of_step(2, 20, 0, slots) == pytest.approx(6 * by_hand)


def test_the_control_pays_for_no_slots(tmp_path: Path) -> None:
    flops = ModelFlops.of(*built(tmp_path, cloze={"enabled": False}, mlm={"weight": 0}), LABELS)
    assert (flops.slot, flops.masked_token) == (0, 0)


def test_a_step_without_records_costs_nothing(tmp_path: Path) -> None:
    assert ModelFlops.of(*built(tmp_path), LABELS).of_step(0, 0, 0, 0) == 0
