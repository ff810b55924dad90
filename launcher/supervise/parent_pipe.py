"""How ranks notice that `lmmtc launch` is gone, on every system and at once: they hold the other end of a pipe."""

import os
from collections.abc import Mapping
from typing import Self

VARIABLE = "LMMTC_LEASH"


class Leash:
    """A pipe into which nothing is ever written: for the ranks it ends with `let_go`, or with this process."""

    def __init__(self) -> None:
        self._end_of_ranks, own = os.pipe()
        self._own: int | None = own
        os.set_inheritable(self._end_of_ranks, True)

    def __enter__(self) -> Self:
        """Hold on to it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go and forget it."""
        self.let_go()
        os.close(self._end_of_ranks)

    @property
    def variables(self) -> dict[str, str]:
        """Tell a rank which of its open files is the leash."""
        return {VARIABLE: str(self._end_of_ranks)}

    def let_go(self) -> None:
        """Tell all ranks to end."""
        if self._own is not None:
            os.close(self._own)
            self._own = None


def leash_of(environment: Mapping[str, str]) -> int | None:
    """Find the open file that ends with `lmmtc launch`; None where that did not start this process."""
    return int(environment[VARIABLE]) if VARIABLE in environment else None
