"""Which form of the model a configuration gets, and how much text it can read."""

from pathlib import Path
from typing import Any

import pytest

from tests.trainer.components import tiny_config
from tests.trainer.model.tiny import tiny_encoder
from trainer.config import Config
from trainer.errors import ConfigError
from trainer.model import JointModel, LabelMaskModel, build_form, load_encoder, text_tokens

JOINT = {"slots": "all", "attention": "joint"}


def config(folder: Path, zero_stage: int = 0, max_tokens: int = 38, **cloze: Any) -> Config:
    """Ask for an encoder of 40 positions."""
    tiny_encoder("bert").save_pretrained(folder)
    sections = {"model": {"max_tokens": max_tokens}, "cloze": cloze, "train": {"zero_stage": zero_stage}}
    return tiny_config(Path("data"), folder, **sections)


def test_joint_attention_has_a_model_of_its_own(tmp_path: Path) -> None:
    for settings, form in ((config(tmp_path), LabelMaskModel), (config(tmp_path, **JOINT), JointModel)):
        assert type(build_form(load_encoder(settings.model), settings)) is form


@pytest.mark.parametrize(
    ("zero_stage", "named", "driver"),
    [(2, None, "fused"), (3, None, "checkpointed"), (0, "checkpointed", "checkpointed"), (0, "fused", "fused")],
)
def test_chunks_are_fused_unless_parameters_are_split_or_another_driver_is_named(
    tmp_path: Path, zero_stage: int, named: str | None, driver: str
) -> None:
    settings = config(tmp_path, zero_stage, driver=named)
    model = build_form(load_encoder(settings.model), settings)
    assert isinstance(model, LabelMaskModel)
    assert model._fused == (driver == "fused")


def test_labels_take_room_from_the_text_under_joint_attention_alone(tmp_path: Path) -> None:
    prefix, joint, three = (config(tmp_path, **cloze) for cloze in ({}, JOINT, JOINT | {"label_tokens": 3}))
    encoder = load_encoder(prefix.model)
    assert text_tokens(encoder, prefix, 1000) == 38
    assert [text_tokens(encoder, joint, labels) for labels in (1, 2, 3, 8)] == [38, 38, 37, 32]
    assert text_tokens(encoder, three, 2) == 34
    with pytest.raises(ConfigError, match="9 labels of 1 tokens leave 31"):
        text_tokens(encoder, joint, 9)


def test_a_text_longer_than_the_encoders_positions_is_refused(tmp_path: Path) -> None:
    fits, too_long = (config(tmp_path, max_tokens=tokens) for tokens in (40, 41))
    encoder = load_encoder(fits.model)
    assert text_tokens(encoder, fits, 1000) == 40
    with pytest.raises(ConfigError) as caught:
        text_tokens(encoder, too_long, 1000)
    assert str(caught.value) == "model.max_tokens = 41: the encoder has 40 positions"
