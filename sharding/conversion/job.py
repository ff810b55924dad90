"""The settings of a conversion that every worker gets, and the paths of its intermediate files."""

from dataclasses import dataclass
from pathlib import Path

from ..layout.manifest import Kind
from ..records import BadRecordPolicy
from ..sources import Source


@dataclass(frozen=True)
class Job:
    """One conversion; it is sent to other processes, or to other machines that share the disk.

    Attributes:
        source: The records.
        folder: Where intermediate files are.
        tokenizer_folder: The tokenizer's files.
        kinds: Formats of the shards.
        policy: What happens to records that cannot be used.
        strict: Whether a vocabulary was given: a record with a label outside of it then cannot be used.
        max_tokens: Tokens of a text that are stored at most, special tokens not counted.
        seed: Seed of the shuffle.
        worker_bytes: Bytes of rows or counts that one worker holds before it writes them to disk.
        dev_share: Share of the training records that is set aside as dev; while records are counted, the share that
            would be where there turns out to be no dev.
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
    dev_share: float = 0.0

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

    def fingerprints(self, piece: int) -> Path:
        """Place the hashes of ids and texts of a piece."""
        return self.folder / "counts" / f"{piece:06}.prints"

    def runs(self, split: str) -> Path:
        """Place the encoded records of a split, a file for each piece that has some."""
        return self.folder / "runs" / split
