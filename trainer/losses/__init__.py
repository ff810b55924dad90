"""Pure tensor functions from logits to losses."""

from .slots import masked_token_loss as masked_token_loss
from .slots import slot_loss as slot_loss
