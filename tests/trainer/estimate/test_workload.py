"""What a run works on, against the parts that are really built."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tests.trainer.components import tiny_config
from tests.trainer.estimate.cases import CORPUS, SHAPE, a_plan, run_config
from tests.trainer.model.tiny import LABEL_WIDTH, some_slots, some_texts, tiny_model
from trainer.data import State
from trainer.data.masking import RecordKeys, reveal_labels
from trainer.errors import ConfigError
from trainer.estimate import EncoderShape, Plan
from trainer.estimate.operations import Operations
from trainer.estimate.workload import Workload
from trainer.training.components import build_model


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"cloze": {"enabled": False}},
        {"mlm": {"weight": 0}},
        {"model": {"label_width": None}},
        {"cloze": {"slots": "all", "attention": "joint", "label_tokens": 3}},
        {"cloze": {"slots": "none", "context": "joint"}},
        {"cloze": {"slots": "none", "context": "prefix"}, "model": {"label_width": None}},
        {"cloze": {"slots": "shortlist", "context": "joint"}},
    ],
)
def test_the_dense_parameters_are_those_of_the_model(tiny_encoder: Path, sections: dict[str, Any]) -> None:
    config = tiny_config(Path("unused"), tiny_encoder, **sections)
    work = Workload(config, EncoderShape.of(config.model), replace(CORPUS, labels=48), 1)
    model = build_model(config)
    assert work.parameters == sum(each.numel() for each in model.parameters())
    if model.has_slots and not work.is_joint:
        used = [each for each in (model.encoder, model.slots, model.readout) if each is not None]
        numbers = sum(parameter.numel() for part in used for parameter in part.parameters())
        assert work.slot_parameters == numbers - work.shape.word_parameters


def test_the_operations_of_a_text_are_those_of_its_products(tmp_path: Path) -> None:
    model = tiny_model(tmp_path, mlm=0)
    batch = some_texts()
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:  # which does not know CPUs' fused one
        model.encoder.read(batch.ids_BT, batch.mask_BT)
    config = run_config(mlm={"weight": 0}, model={"encoder": tmp_path, "max_tokens": 7}, train={"global_batch": 3})
    work = Workload(config, EncoderShape.of(config.model), replace(CORPUS, tokens=7), 1)
    assert Operations.of(work).text == counted.get_total_flops()


@pytest.mark.parametrize("context", ["joint", "prefix"])
def test_the_operations_of_a_text_with_known_labels_are_those_of_its_products(tmp_path: Path, context: str) -> None:
    model = tiny_model(tmp_path, mlm=0, cloze={"slots": "none", "context": context})
    batch, revealed = some_texts(), some_slots([[1, 2], [3, 4], [5, 6]], State.YES)
    revealed = replace(revealed, rows_BCX=revealed.rows_BCX.float())
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:
        model.read(batch, revealed)
    assert model.query is not None
    query = 2 * 3 * model.query.project.weight.numel()
    config = run_config(
        mlm={"weight": 0},
        model={"encoder": tmp_path, "max_tokens": 7, "label_width": LABEL_WIDTH},
        train={"global_batch": 3},
        cloze={"slots": "none", "context": context},
    )
    work = Workload(config, EncoderShape.of(config.model), replace(CORPUS, tokens=7, positives=3), 1)
    assert work.revealed == 2
    assert Operations.of(work).text == counted.get_total_flops() - query
    assert (Operations.of(work).cloze, Operations.of(work).text_passes) == (0, 1 if context == "joint" else 2)


@given(
    positives=st.integers(1, 12),
    all_masked=st.sampled_from([0.25, 0.5, 0.75]),
    nearly_all=st.sampled_from([0.0, 0.5, 1.0]),
    shown_no=st.sampled_from([0.0, 0.5, 2.0]),
)
@settings(max_examples=20)
def test_as_many_labels_are_revealed_on_average_as_training_draws(
    positives: int, all_masked: float, nearly_all: float, shown_no: float
) -> None:
    cloze = {"context": "joint", "all_masked": all_masked, "nearly_all": nearly_all, "shown_no": shown_no}
    work = a_plan(cloze=cloze).work
    work = replace(work, corpus=replace(CORPUS, positives=positives))
    records = 4000
    labels = np.arange(records * positives) % CORPUS.labels
    offsets = np.arange(records + 1) * positives
    keys = RecordKeys(3, 0, np.arange(records))
    ids_BV, _ = reveal_labels(labels, offsets, keys, CORPUS.labels, work.config.cloze)
    drawn = (ids_BV >= 0).sum(axis=1).mean()
    # 4,000 draws of up to 33 labels, and of their false ones a fraction is drawn as a whole one.
    assert work.mean_revealed == pytest.approx(drawn, rel=0.1, abs=0.1)
    assert ids_BV.shape[1] <= work.revealed + 1


def test_denied_labels_are_revealed_too_and_found_by_a_pass_of_their_own() -> None:
    cloze = {"slots": "none", "context": "joint"}
    plain, denying = (a_plan(cloze=cloze | {"denied": share}) for share in (0.0, 0.25))
    assert denying.work.revealed == plain.work.revealed + 1
    assert denying.work.denying_pass.records == 0.25 * plain.work.records
    assert Operations.of(plain.work).denying == 0
    assert denying.time.computing["scan"] > plain.time.computing["scan"]


def test_no_more_labels_are_revealed_than_are_read() -> None:
    work = a_plan(cloze={"slots": "none", "context": "joint", "max_context": 2}).work
    assert (work.revealed, work.context_tokens, work.text_pass.own) == (2, 3, 131)


def test_a_rank_takes_its_share_of_a_batch_in_micro_batches() -> None:
    work = a_plan(train={"global_batch": 1024, "micro_batch": 100}).work
    assert (work.records, work.accumulation, work.queries) == (64, 4, 256)
    assert work.buffers_gradients


def test_ranks_that_cannot_share_a_batch_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.global_batch = 1022: must be a multiple of the world size 4"):
        a_plan(train={"global_batch": 1022})


def test_a_shortlist_has_no_more_places_than_there_are_labels() -> None:
    assert a_plan().work.shortlist == 32
    assert Plan.of(run_config(), SHAPE, replace(CORPUS, labels=20), a_plan().cluster).work.shortlist == 20
