"""The settings of a run: schema, loading, and what DeepSpeed is told."""

from .cloze import ClozeSection as ClozeSection
from .deepspeed import BUCKET as BUCKET
from .deepspeed import accumulation_steps as accumulation_steps
from .deepspeed import buffers_gradients as buffers_gradients
from .deepspeed import deepspeed_config as deepspeed_config
from .loading import check_config as check_config
from .loading import load_config as load_config
from .loading import read_toml as read_toml
from .loading import validated as validated
from .neighbours import NeighboursSection as NeighboursSection
from .schema import COLLECTIVE_SECONDS as COLLECTIVE_SECONDS
from .schema import CheckpointSection as CheckpointSection
from .schema import Config as Config
from .schema import DataSection as DataSection
from .schema import MlmSection as MlmSection
from .schema import ModelSection as ModelSection
from .section import Section as Section
