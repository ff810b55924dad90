"""Model FLOPs: floating-point operations of a step's matrix products, from what the step was made of.

A product of a weight costs 6 operations for each token, slot or record that meets it: a multiplication and an addition
forward, and twice as many backward. Counted is what the model needs, not what is done: no padding, nothing that a
driver runs twice. Lengths enter as their mean; a local window counts as if all saw all; negatives that a scan leaves
out are counted. Where known labels are read before the scan, a record's query slot counts. The known labels themselves,
whose mean is not known here, are left out, in slots too, and so is the pass that finds what is denied.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

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


@dataclass(frozen=True)
class ModelFlops:
    """Multiplications, by what they are for.

    Attributes:
        position: For a token or slot in the encoder.
        pair: For two positions that see each other.
        record: For a record: its query, and the scan with it.
        slot: For a label slot: its input and its read-out.
        masked_token: For decoding a masked token.
        chunk: Slots that see each other; None: all see all.
        slot_positions: Positions that a slot takes.
        query_slots: Query slots of a record.
        passes: How often a text is read.
    """

    position: int
    pair: int
    record: int
    slot: int
    masked_token: int
    chunk: int | None
    slot_positions: int
    query_slots: int
    passes: int

    @classmethod
    def of(cls, model: Model, config: Config, num_labels: int) -> "ModelFlops":
        """Look at a model before DeepSpeed takes its parameters apart; costs a forward pass of one token."""
        position, layers = _encoder(model.encoder)
        query, context = (None, None) if isinstance(model, JointModel) else (model.query, model.context)
        scan = num_labels * query.project.out_features if query else 0
        return cls(
            position=position,
            pair=2 * layers * model.encoder.width,
            record=_weights(query) + scan + (_weights(context.transform) + _weights(context.output) if context else 0),
            slot=_weights(model.slots) + _weights(model.readout),
            masked_token=_weights(model.mlm),
            chunk=None if isinstance(model, JointModel) else config.cloze.chunk,
            slot_positions=config.cloze.label_tokens,
            query_slots=int(context is not None),
            passes=2 if model.mlm and config.mlm.own_pass else 1,
        )

    def of_step(self, records: int, tokens: int, masked_tokens: int, slots: int) -> float:
        """Count the operations of a step, forward and backward, over all ranks."""
        if not records:
            return 0.0
        length, width = tokens / records, self.slot_positions * slots / records
        positions = self.passes * tokens + self.slot_positions * slots + self.query_slots * records
        products = (
            self.position * positions,
            self.pair * records * self._pairs(length, width),
            self.record * records,
            self.slot * slots,
            self.masked_token * masked_tokens,
        )
        return 6.0 * sum(products)

    def _pairs(self, length: float, width: float) -> float:
        """Count who sees whom in a record: a text sees itself, its query slot both, a slot the text and its chunk."""
        if self.chunk is None:
            return (length + width) ** 2
        whole, rest = divmod(width, self.chunk)
        asked = self.query_slots * (length + 1)
        return self.passes * length**2 + asked + width * length + whole * self.chunk**2 + rest**2


def _encoder(encoder: TextEncoder) -> tuple[int, int]:
    """Count the multiplications of one position in all layers, and the layers; families differ, so it is tried out."""
    one_11 = torch.zeros(1, 1, dtype=torch.long)
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        _, prefix = encoder.read(one_11, one_11 == 0)
    return counted.get_total_flops() // 2, len(prefix.keys)


def _weights(part: nn.Module | None) -> int:
    """Count the weights of a part's matrices: each costs a multiplication of whatever meets it."""
    matrices = [module for module in part.modules() if isinstance(module, nn.Linear)] if part else []
    return sum(matrix.in_features * matrix.out_features for matrix in matrices)
