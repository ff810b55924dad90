"""Select and build the form of LM-MTC that a configuration asks for, and compute how much text it reads."""

from ..config import Config
from ..errors import ConfigError
from .encoder import TextEncoder
from .joint import JointModel, text_room
from .label_mask import LabelMaskModel

Model = LabelMaskModel | JointModel


def build_form(encoder: TextEncoder, config: Config) -> Model:
    """Build the dense part of a run around an encoder."""
    if config.cloze.attention == "joint":
        return JointModel(encoder, config.model, config.cloze, config.mlm)
    return LabelMaskModel(encoder, config.model, config.cloze, config.mlm, fused=config.driver == "fused")


def text_tokens(encoder: TextEncoder, config: Config, num_labels: int) -> int:
    """Return how many tokens of a text are read; ConfigError when the encoder has too few positions for them."""
    wanted = config.model.max_tokens
    if config.cloze.attention == "joint":
        return min(wanted, text_room(encoder, num_labels, config.cloze.label_tokens))
    if wanted > encoder.positions:
        raise ConfigError(f"model.max_tokens = {wanted}: the encoder has {encoder.positions} positions")
    return wanted
