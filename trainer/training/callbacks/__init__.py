"""What happens beside training: metrics, evaluation, checkpoints, the record log."""
