"""What a run works on, against the parts that are really built."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tests.trainer.model.tiny import some_texts, tiny_model
from tests.trainer.parts import tiny_config
from tests.trainer.planning.cases import CORPUS, SHAPE, a_plan, run_config
from trainer.errors import ConfigError
from trainer.parts import build_model
from trainer.planning import EncoderShape, Plan
from trainer.planning.operations import Operations
from trainer.planning.workload import Workload


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"cloze": {"enabled": False}},
        {"mlm": {"weight": 0}},
        {"model": {"label_width": None}},
        {"cloze": {"slots": "all", "attention": "joint", "label_tokens": 3}},
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


def test_a_rank_takes_its_share_of_a_batch_in_micro_batches() -> None:
    work = a_plan(train={"global_batch": 1024, "micro_batch": 100}).work
    assert (work.records, work.accumulation, work.queries) == (64, 4, 256)
    assert work.buffers_gradients


def test_ranks_that_cannot_share_a_batch_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.global_batch = 1022: must be a multiple of the world size 4"):
        a_plan(train={"global_batch": 1022})


def test_more_places_in_a_shortlist_than_labels_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^cloze\.shortlist = 32: there are only 20 labels$"):
        Plan.of(run_config(), SHAPE, replace(CORPUS, labels=20), a_plan().cluster)
