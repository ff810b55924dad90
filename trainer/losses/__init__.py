"""Pure tensor functions from logits to losses."""

from .chunked import checkpointed_sum as checkpointed_sum
from .chunked import fused_sum as fused_sum
from .slots import masked_token_loss as masked_token_loss
from .slots import slot_loss as slot_loss
