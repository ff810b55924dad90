"""Callbacks of the training loop: metrics, evaluation on dev, checkpoints, the record log."""
