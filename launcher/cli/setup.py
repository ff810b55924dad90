"""`lmmtc setup`: what would otherwise be built at the first start of every fresh machine."""

from .options import on_accelerator


@on_accelerator
def setup() -> None:
    """Build DeepSpeed's native op once, before the first run; removes the lock of a build that was killed."""
    from trainer.engine import prepare_ops

    prepare_ops()
