"""Refuses a result's file that cannot be written, before hours are spent on the result."""

from pathlib import Path
from tempfile import TemporaryFile

from trainer.errors import ConfigError


def check_output(output: Path, what: str) -> None:
    """Refuse what cannot become a file; `what` names it to the user. Its folder must be there."""
    try:
        with TemporaryFile(dir=output.parent):
            wrong = "is a folder" if output.is_dir() else ""
    except OSError as error:
        wrong = error.strerror
    if wrong:
        raise ConfigError(f"{what}: {wrong}: must be a file, in a folder that can be written")
