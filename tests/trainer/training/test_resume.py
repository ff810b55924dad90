"""What may change between two starts of a run, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from tests.trainer.components import tiny_config
from trainer.config import Config, check_config
from trainer.errors import ConfigError
from trainer.training.resume import check_same_run


def config(**sections: dict[str, Any]) -> Config:
    return tiny_config(Path("data"), Path("encoder"), Path("run"), **sections)


@pytest.mark.parametrize(
    "sections",
    [
        {"train": {"zero_stage": 2, "micro_batch": 1}},
        {"run": {"threads": 3, "record_log": True}},
        {"data": {"format": "webdataset"}},
        {"checkpoint": {"keep": 9}},
    ],
)
def test_what_leaves_the_numbers_alone_may_change(sections: dict[str, dict[str, Any]]) -> None:
    check_same_run(config(), config(**sections), "runs/one")


def test_what_makes_other_numbers_may_not() -> None:
    with pytest.raises(ConfigError) as caught:
        check_same_run(config(), config(train={"lr": 0.25}), "runs/one")
    assert str(caught.value) == (
        "train.lr = 0.25: runs/one was saved with 0.05; restore the old value, or choose a new run.folder"
    )


def test_a_run_that_is_started_again_as_it_was_is_the_same() -> None:
    check_same_run(config(), config(), "runs/one")


def test_what_was_saved_before_a_setting_existed_had_its_default() -> None:
    saved = config().model_dump(mode="json")
    del saved["data"]["bar_own_label"]
    check_same_run(check_config(saved, "runs/one"), config(), "runs/one")
    with pytest.raises(ConfigError, match=r"^data\.bar_own_label = True: runs/one was saved with False"):
        check_same_run(check_config(saved, "runs/one"), config(data={"bar_own_label": True}), "runs/one")
