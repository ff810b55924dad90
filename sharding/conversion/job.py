"""Decides what every worker knows of a conversion, and where the parts of an unfinished one lie."""

from dataclasses import dataclass
from pathlib import Path

from ..layout.manifest import Kind
from ..records import BadRecordPolicy
from ..sources import Source


@dataclass(frozen=True)
class Job:
    """One conversion; it is sent to other processes, or to other machines that share the disk.

    folder: for parts. strict: labels outside the vocabulary that was given are no labels. worker_bytes: of rows or
    counts that one worker holds before it writes them down.
    """

    source: Source
    folder: Path
    tokenizer_folder: Path
    kinds: tuple[Kind, ...]
    policy: BadRecordPolicy
    strict: bool
    max_tokens: int
    seed: int
    worker_bytes: int

    @property
    def lookup(self) -> Path:
        """The ids of all labels by name."""
        return self.folder / "lookup.arrow"

    @property
    def shards(self) -> Path:
        """The folder whose content is published at the end."""
        return self.folder / "finished"

    def counts(self, piece: int, number: int) -> Path:
        """Place the labels of a piece, or of a stretch of it."""
        return self.folder / "counts" / f"{piece:06}-{number}.arrow"

    def runs(self, split: str) -> Path:
        """Place the encoded records of a split, a file for each piece that has some."""
        return self.folder / "runs" / split
