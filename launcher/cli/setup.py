"""`lmmtc setup`: what would otherwise be built at the first start of every fresh machine."""

from trainer.engine import prepare_ops


def run() -> None:
    """Build the op."""
    prepare_ops()
