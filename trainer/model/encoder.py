"""The text encoder: any Hugging Face encoder that uses the attention interface.

With prefix.py, this is all that knows transformers.
"""

import errno
import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from ..config import ModelSection
from ..errors import ConfigError
from .prefix import ATTENTION, AttentionPass, Prefix

if TYPE_CHECKING:
    from .kept_texts import KeptTexts

# By transformers' model_type: the families whose prefix attention is tested, value by value.
TESTED = ("albert", "bert", "distilbert", "electra", "eurobert", "modernbert", "nomic_bert", "roberta", "xlm-roberta")

# What a file system says that has a bad moment: another start may find all well.
_PASSING = (errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ETIMEDOUT)


class TextEncoder(nn.Module):
    """Reads texts, and label slots that look at the texts.

    Attributes:
        kept: What is kept of texts that are read alone, without gradients; None: nothing.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.kept: KeptTexts | None = None
        self._accepted = inspect.signature(model.forward).parameters
        self._slot_type = 1 if getattr(model.config, "type_vocab_size", 0) >= 2 else 0
        self._first_position = _first_position(model)

    @property
    def width(self) -> int:
        """D, the width of hidden states."""
        return self.model.config.hidden_size

    @property
    def positions(self) -> int:
        """The most tokens that one sequence may have."""
        return self.model.config.max_position_embeddings - self._first_position

    @property
    def word_embeddings(self) -> nn.Embedding:
        """The token embedding that the MLM decoder shares."""
        embeddings = self.model.get_input_embeddings()
        assert isinstance(embeddings, nn.Embedding)
        return embeddings

    @property
    def embedding_width(self) -> int:
        """I, the width in which words and slots enter; ELECTRA and ALBERT project it to D themselves."""
        return self.word_embeddings.embedding_dim

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors, which transformers' AutoModel opens."""
        logging.disable_progress_bar()
        self.model.save_pretrained(folder)

    def read(self, ids_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Prefix]:
        """Encode texts; returns hidden states [B, T, D] and the prefix that label slots look at."""
        if self.kept is not None and not torch.is_grad_enabled():
            return self.kept.read(ids_BT, mask_BT, self._read)
        return self._read(ids_BT, mask_BT)

    def _read(self, ids_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Prefix]:
        attention = AttentionPass(mask_BT)
        hidden_BTD = self._run(attention, input_ids=ids_BT, attention_mask=mask_BT.long())
        return hidden_BTD, attention.as_prefix()

    def read_with(self, ids_BT: Tensor, mask_BT: Tensor, labels_BCI: Tensor, mask_BC: Tensor) -> tuple[Tensor, Prefix]:
        """Encode texts and labels that see each other; returns hidden states [B, T + C, D] and their prefix.

        The last label token is a query slot: it sees all, and nothing sees it. All label tokens stand at one position,
        as in `extend`. A record without a real label is read as `read` does.
        """
        words_BTI = self.word_embeddings(ids_BT)
        attention = AttentionPass(torch.cat([mask_BT, mask_BC], dim=1), text=ids_BT.shape[1], query_slot=True)
        text_BT = torch.arange(ids_BT.shape[1], device=ids_BT.device).expand_as(ids_BT) + self._first_position
        label_BC = self._label_places(mask_BC)
        types = torch.cat([torch.zeros_like(text_BT), torch.full_like(label_BC, self._slot_type)], dim=1)
        hidden_BSD = self._run(
            attention,
            inputs_embeds=torch.cat([words_BTI, labels_BCI.to(words_BTI)], dim=1),
            attention_mask=attention.mask_BC.long(),
            position_ids=torch.cat([text_BT, label_BC], dim=1),
            token_type_ids=types,
        )
        return hidden_BSD, attention.as_prefix()

    def extend(
        self, prefix: Prefix, slots_BCI: Tensor, mask_BC: Tensor, *, query_slot: bool = False
    ) -> tuple[Tensor, Prefix]:
        """Encode label slots that see the prefix and each other.

        All slots stand at one position: labels are a set, so permuting them permutes the output. It is the second: an
        encoder makes the token at its first position, be it what it may, a summary of the text. There all slots came
        out alike (MiniLM's first three layers left 0.0004 of their differences, and 0.7 at seven other positions).

        Args:
            prefix: Prefix that encoding the texts has returned.
            slots_BCI: Inputs of the slots.
            mask_BC: Which slots are real.
            query_slot: Whether the last slot sees all, and nothing sees it.

        Returns:
            Hidden states [B, C, D], and the longer prefix.
        """
        attention = AttentionPass(mask_BC, prefix, query_slot=query_slot)
        place_BC = self._label_places(mask_BC)
        type_BC = torch.full_like(place_BC, self._slot_type)
        hidden_BCD = self._run(attention, inputs_embeds=slots_BCI, position_ids=place_BC, token_type_ids=type_BC)
        return hidden_BCD, attention.as_prefix()

    def _label_places(self, mask_BC: Tensor) -> Tensor:
        return torch.full(mask_BC.shape, self._first_position + 1, device=mask_BC.device)

    def read_joint(self, embeddings_BSI: Tensor, mask_BS: Tensor, labels: int) -> Tensor:
        """Encode one sequence of `labels` label tokens and a text behind them; returns hidden states [B, S, D]."""
        is_label_BS = (torch.arange(mask_BS.shape[1], device=mask_BS.device) < labels).expand_as(mask_BS)
        attention = AttentionPass(mask_BS)
        inputs = {"inputs_embeds": embeddings_BSI, "token_type_ids": is_label_BS * self._slot_type}
        # With four dimensions a mask reaches every layer as it is: a local window must not hide text and labels.
        return self._run(attention, **inputs, attention_mask=attention.visible_B11P())

    def _run(self, attention: AttentionPass, **inputs: Any) -> Tensor:
        """Run the model on those of the inputs that it knows: not every family has positions or types."""
        known = {name: value for name, value in inputs.items() if name in self._accepted}
        return self.model(**known, attention_pass=attention).last_hidden_state


def load_encoder(settings: ModelSection) -> TextEncoder:
    """Load weights as fp32 from a local folder (safetensors only), cut to the first `layers` layers.

    Raises:
        ConfigError: The folder has no model or a damaged one, or one that is no text encoder or of an unsupported model
            type, or has fewer layers.
    """
    folder = settings.encoder
    if not (folder / "config.json").is_file():
        raise ConfigError(f"model.encoder = {folder}: no config.json there; give the folder of a Hugging Face encoder")
    logging.set_verbosity_error()  # layers that are left out are no news
    logging.disable_progress_bar()
    with _blaming(folder, "cannot read config.json"):
        config = _config(settings)
    with _blaming(folder, "cannot load weights"):
        model = _load(folder, config)
    encoder = _prepare(model)
    with _blaming(folder, "cannot read a text"):
        _try_out(encoder)
    return encoder


def build_encoder(config_json: str) -> TextEncoder:
    """Build an encoder from the config that `encoder_config` wrote; its weights are then loaded from a checkpoint."""
    fields = json.loads(config_json)
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    return _prepare(AutoModel.from_config(config, dtype=torch.float32))


def encoder_config(encoder: TextEncoder) -> str:
    """Describe the encoder's shape as JSON."""
    config: PreTrainedConfig = encoder.model.config
    return config.to_json_string(use_diff=False)


@contextmanager
def _blaming(folder: Path, what: str) -> Iterator[None]:
    """Raise a ConfigError that names the folder: transformers raises a dozen kinds of errors over its content."""
    try:
        yield
    except (ConfigError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if getattr(error, "errno", None) in _PASSING:
            raise
        reason = " ".join(str(error).split())
        raise ConfigError(f"model.encoder = {folder}: {what}: {type(error).__name__}: {reason}") from error


def _config(settings: ModelSection) -> PreTrainedConfig:
    config = AutoConfig.from_pretrained(settings.encoder, local_files_only=True)
    for name, probability in settings.dropouts(config.to_dict()).items():
        setattr(config, name, probability)
    if settings.layers is not None:
        if settings.layers > config.num_hidden_layers:
            raise ConfigError(f"model.layers = {settings.layers}: {settings.encoder} has {config.num_hidden_layers}")
        _keep_first(config, settings.layers)
    return config


def _load(folder: Path, config: PreTrainedConfig) -> PreTrainedModel:
    """Load weights; transformers itself would make random ones of those that are not there."""
    model, loading = AutoModel.from_pretrained(
        folder,
        config=config,
        dtype=torch.float32,
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
    )
    mismatched = {name for name, _, _ in loading["mismatched_keys"]}
    if lacking := sorted(name for name in mismatched | loading["missing_keys"] if not name.startswith("pooler.")):
        raise ConfigError(
            f"model.encoder = {folder}: cannot load weights: {len(lacking)} that config.json asks for are missing or "
            f"of another shape: {lacking[0]}{', ...' if lacking[1:] else ''}"
        )
    return model


def _keep_first(config: PreTrainedConfig, layers: int) -> None:
    """Cut the config to its first layers; ModernBERT's also lists them one by one."""
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None) is not None:
        config.layer_types = config.layer_types[:layers]


def _prepare(model: PreTrainedModel) -> TextEncoder:
    """Switch prefix attention on and drop the pooler: a parameter that takes no part in a step breaks ZeRO."""
    if not getattr(model, "_supports_attention_backend", False):
        raise _refusal(model, "does not use the attention interface")
    if getattr(model, "pooler", None) is not None:
        setattr(model, "pooler", None)  # noqa: B010  # a module, to the type checker
    model.set_attn_implementation(ATTENTION)
    return TextEncoder(model)


def _try_out(encoder: TextEncoder) -> None:
    """Show one token and two equal slots, and refuse an encoder that would go wrong without an error.

    It costs one backward pass of three tokens: an untested family is found out here or never.
    """
    model, seen_11 = encoder.model, torch.ones(1, 1, dtype=torch.bool)
    _, prefix = encoder.read(torch.zeros(1, 1, dtype=torch.long), seen_11)
    met, layers = len(prefix.keys), model.config.num_hidden_layers
    if met != layers:
        raise _refusal(model, f"hands attention options on in {met} of {layers} layers: slots must see the text in all")
    slot_I = torch.linspace(-1, 1, encoder.embedding_width)
    hidden_12D, _ = encoder.extend(prefix, slot_I.expand(1, 2, -1), seen_11.expand(1, 2))
    if not torch.allclose(*hidden_12D[0], rtol=1e-4, atol=1e-4):  # rounding in fp32
        raise _refusal(model, "reads equal slots differently by their place: labels are a set")
    gradients = torch.autograd.grad(hidden_12D.sum(), list(model.parameters()), allow_unused=True)
    idle = [name for (name, _), gradient in zip(model.named_parameters(), gradients, strict=True) if gradient is None]
    if idle:
        raise _refusal(model, f"has parameters that take no part, {', '.join(idle)}: ZeRO would then go wrong")


def _refusal(model: PreTrainedModel, why: str) -> ConfigError:
    return ConfigError(
        f"model.encoder is of type {model.config.model_type}, which {why}; these work: {', '.join(TESTED)}"
    )


def _first_position(model: PreTrainedModel) -> int:
    """RoBERTa-like position embeddings start behind the padding index, all others at 0."""
    padding = getattr(getattr(model, "embeddings", None), "padding_idx", None)
    return 0 if padding is None else padding + 1
