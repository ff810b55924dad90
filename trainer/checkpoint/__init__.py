"""Saving and loading the state of a run: safetensors and JSON only, nothing that can run code."""

from .contents import RunState as RunState
from .contents import load_parameters as load_parameters
from .contents import load_rows as load_rows
from .contents import load_state as load_state
from .store import CheckpointMeta as CheckpointMeta
from .store import CheckpointStore as CheckpointStore
