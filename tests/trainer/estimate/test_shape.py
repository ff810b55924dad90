"""The sizes that are read from config.json, against the encoders that transformers builds of it."""

import json
from pathlib import Path

import pytest

from tests.trainer.model.tiny import FAMILIES, tiny_encoder
from trainer.config import ModelSection
from trainer.errors import ConfigError
from trainer.estimate import EncoderShape
from trainer.model import load_encoder


@pytest.mark.parametrize("family", FAMILIES)
def test_the_parameters_that_are_counted_are_those_of_the_model(family: str, tmp_path: Path) -> None:
    tiny_encoder(family).save_pretrained(tmp_path)
    settings = ModelSection(encoder=tmp_path)
    encoder = load_encoder(settings)
    assert EncoderShape.of(settings).parameters == sum(each.numel() for each in encoder.parameters())


@pytest.mark.parametrize("layers", [None, 3])
def test_the_real_encoder_has_the_parameters_that_are_counted(tokenizer_folder: Path, layers: int | None) -> None:
    settings = ModelSection(encoder=tokenizer_folder, layers=layers)
    encoder = load_encoder(settings)
    assert EncoderShape.of(settings).parameters == sum(each.numel() for each in encoder.parameters())


def test_what_a_plan_cannot_read_is_named(tmp_path: Path) -> None:
    settings = ModelSection(encoder=tmp_path)
    with pytest.raises(ConfigError, match=r"no config\.json there; give the folder of an encoder"):
        EncoderShape.of(settings)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "deberta"}))
    with pytest.raises(ConfigError, match=r"model_type = 'deberta': a plan knows the shape of albert, bert, "):
        EncoderShape.of(settings)
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "bert", "hidden_size": 8, "num_attention_heads": 0})
    )
    with pytest.raises(ConfigError, match=r"num_attention_heads = 0: must be a whole number above 0"):
        EncoderShape.of(settings)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config\.json: not JSON"):
        EncoderShape.of(settings)


def test_more_layers_than_there_are_is_an_error(tokenizer_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"^model\.layers = 7: .* has 6$"):
        EncoderShape.of(ModelSection(encoder=tokenizer_folder, layers=7))
