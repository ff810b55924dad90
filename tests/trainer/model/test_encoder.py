"""Loading encoders: what is accepted, what is refused, and in which words."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AlbertConfig,
    AlbertModel,
    AutoConfig,
    AutoModel,
    BertConfig,
    BertForMaskedLM,
    DebertaV2Config,
    DebertaV2Model,
    MobileBertConfig,
    MobileBertModel,
    ViTConfig,
    ViTModel,
)
from transformers.models.bert.modeling_bert import BertSelfAttention

from tests.trainer.model.tiny import FAMILIES, SHAPE, tiny_encoder
from trainer.config import ModelSection
from trainer.errors import ConfigError
from trainer.model import build_encoder, encoder_config, load_encoder
from trainer.model.encoder import TESTED


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_encoder("bert").save_pretrained(tmp_path)
    return tmp_path


def test_the_first_layers_of_an_encoder_keep_their_weights(folder: Path) -> None:
    whole = dict(load_encoder(ModelSection(encoder=folder)).named_parameters())
    first = dict(load_encoder(ModelSection(encoder=folder, layers=1)).named_parameters())
    assert whole.keys() - first.keys() == {name for name in whole if "layer.1." in name}
    assert all(torch.equal(parameter, whole[name]) for name, parameter in first.items())


def test_no_parameter_is_loaded_that_a_step_does_not_use(folder: Path) -> None:
    assert not [name for name, _ in load_encoder(ModelSection(encoder=folder)).named_parameters() if "pooler" in name]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoder_is_rebuilt_from_its_config_alone(tmp_path: Path, family: str) -> None:
    tiny_encoder(family).save_pretrained(tmp_path)
    encoder = load_encoder(ModelSection(encoder=tmp_path, layers=1))
    rebuilt = build_encoder(encoder_config(encoder))
    rebuilt.load_state_dict(encoder.state_dict())
    ids_BT, mask_BT = torch.tensor([[5, 6, 7]]), torch.tensor([[True, True, False]])
    assert torch.equal(rebuilt.eval().read(ids_BT, mask_BT)[0], encoder.eval().read(ids_BT, mask_BT)[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_encoder_is_opened_by_transformers_and_reads_the_same(tmp_path: Path, family: str) -> None:
    tiny_encoder(family).save_pretrained(tmp_path / "whole")
    encoder = load_encoder(ModelSection(encoder=tmp_path / "whole", layers=1)).eval()
    encoder.save(tmp_path / "saved")
    opened = AutoModel.from_pretrained(tmp_path / "saved").eval()
    ids_BT, mask_BT = torch.tensor([[5, 6, 7, 8], [9, 4, 1, 1]]), torch.tensor([[True] * 4, [True, True, False, False]])
    with torch.no_grad():
        wanted_BTD, _ = encoder.read(ids_BT, mask_BT)
        found_BTD = opened(input_ids=ids_BT, attention_mask=mask_BT.long()).last_hidden_state
    torch.testing.assert_close(found_BTD[mask_BT], wanted_BTD[mask_BT])  # what padding sees is nobody's business


def test_weights_that_were_saved_in_bf16_are_trained_in_fp32(tmp_path: Path) -> None:
    tiny_encoder("eurobert").bfloat16().save_pretrained(tmp_path)
    encoder = load_encoder(ModelSection(encoder=tmp_path))
    for each in (encoder, build_encoder(encoder_config(encoder))):
        assert {parameter.dtype for parameter in each.parameters()} == {torch.float32}


def test_a_family_without_the_attention_interface_is_refused_by_name(tmp_path: Path) -> None:
    DebertaV2Model(DebertaV2Config(**SHAPE)).save_pretrained(tmp_path)
    words = r"model\.encoder is of type deberta-v2, which does not use the attention interface; these work: albert,"
    with pytest.raises(ConfigError, match=words):
        load_encoder(ModelSection(encoder=tmp_path))


def test_a_family_whose_layers_drop_attention_options_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = BertSelfAttention.forward

    def forward(self: BertSelfAttention, *inputs: Any, attention_pass: Any, **options: Any) -> Any:
        kept = {} if self.layer_idx == 1 else {"attention_pass": attention_pass}
        return whole(self, *inputs, **kept, **options)

    monkeypatch.setattr(BertSelfAttention, "forward", forward)
    with pytest.raises(ConfigError, match="type bert, which hands attention options on in 1 of 2 layers: slots must"):
        load_encoder(ModelSection(encoder=folder))


def test_a_family_that_mixes_neighbours_is_refused(tmp_path: Path) -> None:
    MobileBertModel(MobileBertConfig(**SHAPE)).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="type mobilebert, which reads equal slots differently by their place"):
        load_encoder(ModelSection(encoder=tmp_path))


def test_an_encoder_with_an_idle_parameter_is_refused(tmp_path: Path) -> None:
    AlbertModel(AlbertConfig(**SHAPE, num_hidden_groups=2)).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"type albert, which has parameters that take no part, encoder\.albert_lay"):
        load_encoder(ModelSection(encoder=tmp_path, layers=1))


def test_the_families_that_errors_name_are_the_tested_ones() -> None:
    assert list(TESTED) == list(FAMILIES)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"model\.encoder = {tmp_path}: no config\.json there; give the folder"):
        load_encoder(ModelSection(encoder=tmp_path))


def test_a_folder_without_safe_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=rf"model\.encoder = {folder}: cannot load weights"):
        load_encoder(ModelSection(encoder=folder))


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ESTALE, "Stale file handle")])
def test_a_bad_moment_of_the_machine_is_no_fault_of_the_folder(
    folder: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(AutoConfig, "from_pretrained", fail)  # neither can be made here
    with pytest.raises(type(error)):
        load_encoder(ModelSection(encoder=folder))


def configure(folder: Path, **changed: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def cut_weights(folder: Path, size: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])


# What is done to a folder, and what is said of it.
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "an unknown type": (lambda folder: configure(folder, model_type="bort"), r"config\.json: .* model type `bort`"),
    "no type": (lambda folder: (folder / "config.json").write_text("{}"), r"config\.json: .*`model_type` key"),
    "a torn config": (lambda folder: (folder / "config.json").write_text('{"model_t'), r"config\.json: .* valid JSON"),
    "a width that is a word": (
        lambda folder: configure(folder, hidden_size="wide"),
        r"config\.json: .*'hidden_size' expected int, got str",
    ),
    "a width that heads cannot share": (
        lambda folder: configure(folder, num_attention_heads=3),
        r"weights: .*\(16\) is",
    ),
    "weights cut at their end": (
        lambda folder: cut_weights(folder, -8),
        "weights: SafetensorError: .* not fully covered",
    ),
    "weights cut in the header": (lambda folder: cut_weights(folder, 99), "weights: SafetensorError: .* header"),
    "empty weights": (lambda folder: cut_weights(folder, 0), "weights: SafetensorError: .* header too small"),
    "weights of another width": (
        lambda folder: configure(folder, intermediate_size=20),
        r"weights: 6 that config\.json asks for are missing or of another shape: encoder\.layer\.0\.inter.*, \.\.\.$",
    ),
    "weights of fewer layers": (
        lambda folder: configure(folder, num_hidden_layers=3),
        r"weights: 16 that config\.json asks for are missing or of another shape: encoder\.layer\.2\.att.*, \.\.\.$",
    ),
}


@pytest.mark.parametrize(("spoil", "words"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_folder_is_named_and_what_is_wrong_with_it(
    folder: Path, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(folder)
    with pytest.raises(ConfigError, match=rf"^model\.encoder = {folder}: cannot (read|load) {words}"):
        load_encoder(ModelSection(encoder=folder))


def test_what_reads_pictures_is_refused(tmp_path: Path) -> None:
    ViTModel(
        ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, image_size=32)
    ).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=rf"^model\.encoder = {tmp_path}: cannot read a text: "):
        load_encoder(ModelSection(encoder=tmp_path))


def test_an_encoder_that_was_saved_without_its_pooler_loads(tmp_path: Path) -> None:
    whole = BertForMaskedLM(BertConfig(**SHAPE))
    whole.save_pretrained(tmp_path)
    loaded = dict(load_encoder(ModelSection(encoder=tmp_path)).model.named_parameters())
    saved = dict(whole.bert.named_parameters())
    assert loaded.keys() == saved.keys()
    assert all(torch.equal(parameter, saved[name]) for name, parameter in loaded.items())


def test_more_layers_than_there_are_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=rf"model\.layers = 3: {folder} has 2"):
        load_encoder(ModelSection(encoder=folder, layers=3))


@pytest.mark.parametrize("layers", [3, 6])
def test_slots_of_different_labels_stay_different_in_an_encoder_with_real_weights(
    tokenizer_folder: Path, layers: int
) -> None:
    encoder = load_encoder(ModelSection(encoder=tokenizer_folder, layers=layers)).eval()
    torch.manual_seed(0)
    ids_BT, slots_BCI = torch.randint(1000, 30000, (2, 20)), torch.randn(2, 8, encoder.embedding_width) / 10
    with torch.no_grad():
        _, prefix = encoder.read(ids_BT, torch.ones_like(ids_BT, dtype=torch.bool))
        hidden_BCD, _ = encoder.extend(prefix, slots_BCI, torch.ones(2, 8, dtype=torch.bool))
    differences_BCD = hidden_BCD - hidden_BCD.mean(dim=1, keepdim=True)
    assert float(differences_BCD.norm() / hidden_BCD.norm()) > 0.3  # at the first position: 0.0004
