"""The learning-rate schedule, linear warmup and linear decay: a function of the step, so resuming needs no state."""


def schedule(step: int, steps: int, warmup: float) -> float:
    """Return the share of the peak rate: linear warmup, then linear decay.

    The last step still moves: the shape reaches zero one step after it.

    Args:
        step: From 1 to `steps`.
        steps: Optimizer steps of the run.
        warmup: Share of all steps in which the rate rises.
    """
    rising = warmup * steps
    if step <= rising:
        return step / rising
    return (steps + 1 - step) / (steps + 1 - rising)
