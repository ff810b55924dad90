"""The dense part of a run: encoder, label slots, heads, and the two forms of LM-MTC that join them."""

from .encoder import TextEncoder as TextEncoder
from .encoder import build_encoder as build_encoder
from .encoder import encoder_config as encoder_config
from .encoder import load_encoder as load_encoder
from .flops import Model as Model
from .flops import ModelFlops as ModelFlops
from .flops import build_form as build_form
from .flops import text_tokens as text_tokens
from .heads import pool as pool
from .joint import JointModel as JointModel
from .kept_texts import KeptTexts as KeptTexts
from .label_mask import Clock as Clock
from .label_mask import LabelContext as LabelContext
from .label_mask import LabelMaskModel as LabelMaskModel
from .label_mask import Text as Text
from .proposal import LabelPort as LabelPort
from .proposal import Losses as Losses
from .proposal import Normaliser as Normaliser
from .proposal import Proposal as Proposal
from .slots import Slots as Slots
