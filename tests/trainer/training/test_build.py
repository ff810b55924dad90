"""The parts of a run as they are before the first step, and the order in which they are made."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from tests.trainer.components import tiny_config
from trainer.config import Config
from trainer.distributed import Ranks
from trainer.errors import ConfigError
from trainer.estimate.shape import EncoderShape
from trainer.telemetry import EventLog, Telemetry
from trainer.training.build import build_run
from trainer.training.components import build_model


def test_training_begins_with_dropout_on(tiny_dataset: Path, tiny_encoder: Path) -> None:
    model = build_model(tiny_config(tiny_dataset, tiny_encoder))
    assert [name for name, module in model.named_modules() if not module.training] == []


@pytest.mark.parametrize(("probability", "used"), [(None, {0.1}), (0.0, {0.0}), (0.3, {0.3})])
def test_the_dropout_of_the_encoder_can_be_set(
    tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path, probability: float | None, used: set[float]
) -> None:
    folder = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    fields = json.loads((folder / "config.json").read_text())
    fields |= {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    (folder / "config.json").write_text(json.dumps(fields))
    config = tiny_config(tiny_dataset, folder)
    settings = config.model.model_copy(update={"dropout": probability})
    modules = build_model(config.model_copy(update={"model": settings})).modules()
    found = {module.p for module in modules if isinstance(module, nn.Dropout)}
    found |= {module.dropout_prob for module in modules if hasattr(module, "dropout_prob")}
    assert found == used
    assert EncoderShape.of(settings).dropout is EncoderShape.of(settings).attention_dropout is (used != {0.0})


def begin_without_memory(ranks: Ranks, config: Config) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.labels.memory.free_on_host", lambda: 0)
        patch.setattr("trainer.training.initialize.new_table", None)
        events = EventLog(None, None, run_id="none", rank=ranks.rank)
        with pytest.raises(ConfigError) as caught:
            build_run(config, ranks, Telemetry.serve(None, is_first_rank=ranks.is_first), events, lambda: False)
    return str(caught.value)


@pytest.mark.ranks
def test_rows_that_do_not_fit_are_refused_before_they_or_the_folder_are_made(
    on_ranks: Callable[..., list[Any]], tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    answers = on_ranks(begin_without_memory, 2, tiny_config(tiny_dataset, tiny_encoder, tmp_path / "run"))
    wanted = (
        "label rows: 48 labels x 20 in fp32 with sgd and a buffer of gradients and a copy for saves take 0.0 GB on "
    )
    assert [answer[: len(wanted)] for answer in answers] == [wanted] * 2
    assert not (tmp_path / "run").exists()
