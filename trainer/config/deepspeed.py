"""The DeepSpeed configuration that follows from ours; nobody writes one by hand."""

from typing import Any

from sharding import accumulation

from ..errors import ConfigError
from .schema import Config

BUCKET = 500_000_000  # gradients that ZeRO reduces at a time, at most


def accumulation_steps(config: Config, world_size: int) -> int:
    """Fewest micro-steps that fit `global_batch` records into micro-batches of at most `micro_batch` on every rank.

    With a budget of tokens, this rank's share of the micro-batches of a step, which are the same for every world size.
    """
    total, limit = config.train.global_batch, config.train.micro_batch
    if config.train.micro_tokens is not None:
        return _share(total // limit, world_size)
    if total % world_size:
        raise ConfigError(
            f"train.global_batch = {total}: must be a multiple of the world size {world_size}, "
            "so that every rank takes equally many records"
        )
    return accumulation(total // world_size, limit)


def buffers_gradients(config: Config, world_size: int) -> bool:
    """Tell whether row gradients of a step are added up in a buffer as large as the rows in fp32, see `RowUpdates`."""
    return not config.cloze.scans or config.labels.buffer_gradients or accumulation_steps(config, world_size) > 1


def _share(micro_batches: int, world_size: int) -> int:
    if micro_batches % world_size:
        raise ConfigError(
            f"train.global_batch / train.micro_batch = {micro_batches} micro-batches a step: must be a multiple of the "
            f"world size {world_size}, so that every rank takes equally many"
        )
    return micro_batches // world_size


def deepspeed_config(config: Config, world_size: int) -> dict[str, Any]:
    """Every key that matters is written: DeepSpeed's own defaults (clipping at 1.0, say) never act unseen.

    `train.precision` must not be `auto` any more: `trainer/precision.py` has put fp32 or bf16 in its place.
    """
    assert config.train.precision != "auto"
    steps = accumulation_steps(config, world_size)
    return {
        "train_batch_size": config.train.global_batch,
        "train_micro_batch_size_per_gpu": config.train.global_batch // world_size // steps,
        "gradient_accumulation_steps": steps,
        "gradient_clipping": config.train.clip,
        "zero_optimization": {"stage": config.train.zero_stage, "reduce_bucket_size": BUCKET},
        "zero_allow_untested_optimizer": True,
        "torch_autocast": {"enabled": config.train.precision == "bf16", "dtype": "bfloat16"},
        "steps_per_print": 2**31,
    }
