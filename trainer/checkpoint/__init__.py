"""Saving and loading the state of a run: safetensors and JSON only, nothing that can run code."""

from .contents import RunState as RunState
from .contents import load_parameters as load_parameters
from .contents import load_rows as load_rows
from .contents import load_state as load_state
from .contents import row_tensors as row_tensors
from .contents import rows_file as rows_file
from .store import CheckpointMeta as CheckpointMeta
from .store import CheckpointStore as CheckpointStore
from .store import copy_checkpoint as copy_checkpoint
from .store import damage as damage
