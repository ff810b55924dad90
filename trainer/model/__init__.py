"""The dense part of a run: encoder, slots, heads, and LM-MTC that joins them."""

from .encoder import TextEncoder as TextEncoder
from .encoder import build_encoder as build_encoder
from .encoder import encoder_config as encoder_config
from .encoder import load_encoder as load_encoder
from .label_mask import Clock as Clock
from .label_mask import LabelMaskModel as LabelMaskModel
from .label_mask import Losses as Losses
from .label_mask import Normaliser as Normaliser
from .label_mask import Proposal as Proposal
from .label_mask import Text as Text
from .slots import Slots as Slots
