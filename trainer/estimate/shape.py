"""The shape of an encoder, read from its config.json: sizes and numbers of parameters; no weights are read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..config import ModelSection
from ..errors import ConfigError


@dataclass(frozen=True)
class _Family:
    """What sets a family of encoders apart from BERT. All have a norm beside those of their layers."""

    gated: bool = False  # three matrices in the inner part of a layer, not two
    biased: bool = True
    norm_biased: bool = True
    positions: bool = True
    types: bool = True
    narrow_words: bool = False  # words may be narrower than hidden states, and are projected
    always_projected: bool = False
    one_layer: bool = False  # all layers share their parameters


_ROTARY: dict[str, Any] = {"gated": True, "biased": False, "positions": False}
FAMILIES: Mapping[str, _Family] = {
    "albert": _Family(narrow_words=True, always_projected=True, one_layer=True),
    "bert": _Family(),
    "distilbert": _Family(types=False),
    "electra": _Family(narrow_words=True),
    "eurobert": _Family(**_ROTARY, norm_biased=False, types=False),
    "modernbert": _Family(**_ROTARY, norm_biased=False, types=False),
    "nomic_bert": _Family(**_ROTARY),
    "roberta": _Family(),
    "xlm-roberta": _Family(),
}
# DistilBERT's own words for what all others call alike.
_ALIASES = {
    "num_hidden_layers": "n_layers",
    "hidden_size": "dim",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
}


@dataclass(frozen=True)
class EncoderShape:
    """The sizes of an encoder; parameters are numbers, not bytes.

    Attributes:
        family: Model type.
        layers: Number of layers.
        width: D.
        intermediate_size: Intermediate size of a layer.
        heads: Attention heads.
        key_width: Width of all keys of a token, below D where heads share them.
        vocab_size: Tokens of the vocabulary.
        embedding_size: I, the width of word embeddings.
        positions: Tokens of a sequence, at most.
        types: Token types.
        dropout: Whether training drops hidden states.
        attention_dropout: Whether it drops attention weights.
    """

    family: str
    layers: int
    width: int
    intermediate_size: int
    heads: int
    key_width: int
    vocab_size: int
    embedding_size: int
    positions: int
    types: int
    dropout: bool
    attention_dropout: bool

    @classmethod
    def of(cls, settings: ModelSection) -> "EncoderShape":
        """Read config.json, cut to the first `layers` layers.

        Raises:
            ConfigError: There is no such file, the family is not known here, a size is missing, or there are too few
                layers.
        """
        path = settings.encoder / "config.json"
        if not path.is_file():
            raise ConfigError(
                f"model.encoder = {settings.encoder}: no config.json there; give the folder of an encoder"
            )
        fields = _fields(path)
        shape = _read(fields | settings.dropouts(fields), path)
        if settings.layers is None:
            return shape
        if settings.layers > shape.layers:
            raise ConfigError(f"model.layers = {settings.layers}: {settings.encoder} has {shape.layers}")
        return replace(shape, layers=settings.layers)

    @property
    def gated(self) -> bool:
        """Whether the inner part of a layer has three matrices."""
        return FAMILIES[self.family].gated

    @property
    def layer_matrices(self) -> int:
        """Count the weights of a layer that each token is multiplied with."""
        attention = 2 * self.width**2 + 2 * self.width * self.key_width
        return attention + (3 if self.gated else 2) * self.width * self.intermediate_size

    @property
    def word_parameters(self) -> int:
        """Count the word embedding, which label slots do not use."""
        return self.vocab_size * self.embedding_size

    @property
    def parameters(self) -> int:
        """Count all parameters but the pooler's, which is dropped."""
        family = FAMILIES[self.family]
        norm = 2 if family.norm_biased else 1
        embeddings = (self.vocab_size + self.positions + self.types + norm) * self.embedding_size
        if family.always_projected or (family.narrow_words and self.embedding_size != self.width):
            embeddings += (self.embedding_size + 1) * self.width
        biases = 3 * self.width + 2 * self.key_width + self.intermediate_size if family.biased else 0
        layer = self.layer_matrices + biases + 2 * norm * self.width
        return embeddings + layer * (1 if family.one_layer else self.layers)


def _fields(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from None


def _read(fields: dict[str, Any], path: Path) -> EncoderShape:
    name = fields.get("model_type", "")
    if name not in FAMILIES:
        raise ConfigError(f"{path}: model_type = {name!r}: a plan knows the shape of {', '.join(FAMILIES)}")
    family = FAMILIES[name]

    def size(key: str) -> int:
        value = fields.get(key, fields.get(_ALIASES.get(key, key)))
        if not isinstance(value, int) or value < 1:
            raise ConfigError(f"{path}: {key} = {value!r}: must be a whole number above 0")
        return value

    width, heads = size("hidden_size"), size("num_attention_heads")
    shared = fields.get("num_key_value_heads") or heads
    return EncoderShape(
        family=name,
        layers=size("num_hidden_layers"),
        width=width,
        intermediate_size=size("intermediate_size"),
        heads=heads,
        key_width=width // heads * shared,
        vocab_size=size("vocab_size"),
        embedding_size=size("embedding_size") if family.narrow_words else width,
        positions=size("max_position_embeddings") if family.positions else 0,
        types=size("type_vocab_size") if family.types else 0,
        dropout=any(fields.get(key, 0) > 0 for key in ("hidden_dropout_prob", "dropout", "mlp_dropout")),
        attention_dropout=any(fields.get(key, 0) > 0 for key in ("attention_probs_dropout_prob", "attention_dropout")),
    )
