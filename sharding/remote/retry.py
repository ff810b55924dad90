"""The retry policy of remote requests: exponential backoff with full jitter, and limits on tries and time.

Source of the jitter: Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom
from typing import TypeVar

from ..errors import LmmtcError

Answer = TypeVar("Answer")

# Not the generator that training seeds: ranks with one seed would all pause equally long, and meet again.
_DRAW = SystemRandom()


class TransientError(LmmtcError):
    """A request failed in a way that may pass: the next one may succeed."""


class RetriesExhaustedError(LmmtcError):
    """A request failed until the tries or the time were used up; says how many and the last reason."""


@dataclass(frozen=True)
class RetryPolicy:
    """The limits of one request for at most a few MiB; all times in seconds.

    Attributes:
        tries: How often the request is made.
        base: The pause before try n + 1 is drawn evenly from 0 to min(cap, base * 2 ** (n - 1)).
        cap: The longest such pause.
        deadline: After it, no pause is begun.
        request: Time of one try, its whole answer included.
        connect: Time until a connection stands.
    """

    tries: int = 8
    base: float = 0.2
    cap: float = 20.0
    deadline: float = 120.0
    request: float = 30.0
    connect: float = 5.0

    def longest_pause(self, failures: int) -> float:
        """Bound the pause after so many failures, from 1 on."""
        return min(self.cap, self.base * 2 ** (failures - 1))


def insist(
    call: Callable[[], Answer],
    patience: RetryPolicy,
    *,
    on_retry: Callable[[], None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """Call a function until it returns; a TransientError is retried, any other error is not.

    Args:
        call: The request.
        patience: The limits.
        on_retry: Called before each retry.
        sleep: Pauses for so many seconds.
        clock: Returns the time in seconds.

    Raises:
        RetriesExhaustedError: The tries or the time are used up.
    """
    start = clock()
    failures = 0
    while True:
        try:
            return call()
        except TransientError as error:
            failures += 1
            pause = _DRAW.uniform(0, patience.longest_pause(failures))
            spent = clock() - start
            if failures == patience.tries or spent + pause > patience.deadline:
                raise RetriesExhaustedError(f"failed {failures} times in {spent:.0f} s, at last: {error}") from None
        on_retry()
        sleep(pause)
