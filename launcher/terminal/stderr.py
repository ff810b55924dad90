"""The one way by which the launcher writes a line to stderr."""

import sys


def complain(line: str) -> None:
    """Write a line at once: several ranks may share the stream."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
