"""What a training step costs: the floating-point operations of its matrix products.

A product of a weight costs 6 operations for each token or slot that meets it: a multiplication and an addition forward,
and twice as many backward. So a record costs 6 x (non-embedding encoder parameters x (tokens + slots) + attention +
heads). A text counts as model.max_tokens; where no gradient reaches (without scan and MLM, most of the text's last
layer), it is counted all the same. Where known labels are read before the scan, a record counts one of them and its
query slot, which are there even where nothing is revealed. Left out: further known labels, whose number only the data
knows, all of them where slots read them, and what is no matrix product.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from trainer.config import Config


@dataclass(frozen=True)
class Shape:
    """An encoder's sizes: layers, width D of hidden states, inner width of a layer, words of its vocabulary."""

    layers: int
    width: int
    inner: int
    words: int

    @classmethod
    def of(cls, encoder: Path, layers: int | None) -> "Shape":
        """Read a Hugging Face configuration; `layers` of it, or all."""
        fields = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
        return cls(
            layers or fields["num_hidden_layers"],
            fields["hidden_size"],
            fields["intermediate_size"],
            fields["vocab_size"],
        )

    def encode(self, positions: int, pairs: int) -> int:
        """Count the multiplications of a pass over so many positions, of which so many pairs see each other."""
        weights = 4 * self.width**2 + 2 * self.width * self.inner
        return self.layers * (weights * positions + 2 * self.width * pairs)


def step_flops(config: Config, num_labels: int) -> float:
    """Count one optimizer step, forward and backward."""
    shape = Shape.of(config.model.encoder, config.model.layers)
    slots = _slots(config, num_labels)
    heads = (
        _scan(config, shape, num_labels),
        3 * shape.width**2 * config.cloze.reads_context,  # a label's way in, and the read-out of the query slot
        2 * shape.width**2 * slots,  # the read-out
        _mlm(config, shape),
    )
    encoder = shape.encode(config.model.max_tokens + _context(config) + slots, _pairs(config, slots))
    return 6 * config.train.global_batch * (encoder + sum(heads))


def _slots(config: Config, num_labels: int) -> int:
    if not config.cloze.has_slots:
        return 0
    return num_labels if config.cloze.slots == "all" else config.cloze.shortlist


def _context(config: Config) -> int:
    """Count a known label and the query slot."""
    return 2 if config.cloze.reads_context else 0


def _pairs(config: Config, slots: int) -> int:
    """Count who sees whom: all see all, or the text sees itself and a slot sees the text and its own chunk."""
    tokens, context, chunk = config.model.max_tokens, _context(config), config.cloze.chunk
    if config.cloze.attention == "joint":
        return (tokens + slots) ** 2
    seen = tokens + context
    read = seen**2 if config.cloze.context == "joint" else tokens**2 + context * seen
    chunks = [min(chunk, slots - start) for start in range(0, slots, chunk)]
    return read + sum(size * (seen + size) for size in chunks)


def _scan(config: Config, shape: Shape, num_labels: int) -> int:
    return shape.width * (shape.width + num_labels) if config.cloze.scans else 0


def _mlm(config: Config, shape: Shape) -> float:
    masked = config.mlm.probability * config.model.max_tokens if config.mlm.weight else 0
    return masked * shape.width * (shape.width + shape.words)
