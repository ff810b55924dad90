"""The training engine: dense parameters under DeepSpeed ZeRO; the only package that imports deepspeed."""

from .ops import prepare_ops as prepare_ops
from .zero import Engine as Engine
