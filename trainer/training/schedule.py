"""The learning-rate schedule, linear warmup and linear decay: a function of the step, so resuming needs no state."""


def schedule(step: int, steps: int, warmup: float) -> float:
    """Share of the peak rate at step 1..steps: linear up during `warmup` (a share of all steps), then linear down.

    The last step still moves: the shape reaches zero one step after it.
    """
    rising = warmup * steps
    if step <= rising:
        return step / rising
    return (steps + 1 - step) / (steps + 1 - rising)
