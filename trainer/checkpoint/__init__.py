"""Checkpoints: save and load the state of a run, in safetensors and JSON only, nothing that can run code."""

from .contents import RunState as RunState
from .contents import load_parameters as load_parameters
from .contents import load_rows as load_rows
from .contents import load_state as load_state
from .contents import row_tensors as row_tensors
from .contents import rows_file as rows_file
from .folder import CheckpointFolder as CheckpointFolder
from .folder import copy_checkpoint as copy_checkpoint
from .folder import damage as damage
from .meta import CheckpointMeta as CheckpointMeta
from .opening import checkpoints_of as checkpoints_of
from .store import CheckpointStore as CheckpointStore
from .store import Save as Save
