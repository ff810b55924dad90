"""The parts of a run as they are before the first step, and the order in which they are made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.components import tiny_config
from trainer.config import Config
from trainer.distributed import Ranks
from trainer.errors import ConfigError
from trainer.telemetry import EventLog, Telemetry
from trainer.training.build import build_run
from trainer.training.components import build_model


def test_training_begins_with_dropout_on(tiny_dataset: Path, tiny_encoder: Path) -> None:
    model = build_model(tiny_config(tiny_dataset, tiny_encoder))
    assert [name for name, module in model.named_modules() if not module.training] == []


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
