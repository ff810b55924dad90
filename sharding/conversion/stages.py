"""The stages of a conversion, run in turn: count labels, encode records into sorted runs, write shards."""

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..labels import LabelLookup, Vocabulary
from ..layout.manifest import FILTER_FILE, LABELS_FILE, FileInfo, LabelsInfo, ShardInfo
from ..records import SPLITS
from ..sources import Piece
from ..storage import publish, sha256, xxh3_128
from .counting import CorpusStatistics, add_up, count_piece
from .encoding import encode_piece
from .fingerprints import check_ids, texts_in_two_splits
from .job import Job
from .run_tasks import Part, Progress, run_tasks
from .shuffling import shard_bounds, write_one

_PAIRS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Stages:
    """The rounds of one job; `executor` does the parts, this process does what is between the rounds."""

    job: Job
    pieces: Sequence[Piece]
    executor: Executor
    progress: Progress

    def survey(self, given: Vocabulary | None) -> CorpusStatistics:
        """Read the source once and count; DataError when nothing of it can be used."""
        job = self.job
        if given is not None:
            LabelLookup.build(given.names).save(job.lookup)
        parts = [self._part(f"count-{n:06}", count_piece, (job, n, piece), 1) for n, piece in enumerate(self.pieces)]
        found = add_up(job, list(run_tasks(parts, self.executor, self.progress, "counting labels")))
        check_ids(job, self.pieces)
        if not found.records:
            left_out = f", {found.left_out} without a text" if found.left_out else ""
            raise DataError(f"{self._name}: holds no usable record ({found.skipped} skipped{left_out})")
        if given is None and not found.counts.num_rows:
            raise DataError(
                f"{self._name}: none of its {sum(found.records.values())} records has a label: "
                "fill in their 'labels', or give the vocabulary of another data set"
            )
        return found

    def leaked(self, found: CorpusStatistics) -> int:
        """Count the texts that stand in more than one split."""
        return texts_in_two_splits(self.job, self.pieces, aside=found.aside > 0)

    def setting_aside(self, found: CorpusStatistics) -> "Stages":
        """Go on with a dev split made of training records if there was none, or else without."""
        return replace(self, job=replace(self.job, dev_share=self.job.dev_share if found.aside else 0.0))

    def vocabulary(
        self, found: CorpusStatistics, given: Vocabulary | None, texts: Mapping[str, str]
    ) -> tuple[LabelsInfo, Vocabulary]:
        """Give every label its id."""
        path = self.job.shards / LABELS_FILE
        labels = Vocabulary.ranked(found.counts, texts) if given is None else given
        if given is not None and any(found.counts["count"].to_numpy()):
            labels = given.recounted(found.counts)
        labels.save(path)
        LabelLookup.build(labels.names).save(self.job.lookup)
        return LabelsInfo(LABELS_FILE, len(labels), sha256(path)), labels

    def label_filter(self) -> FileInfo | None:
        """Write down which labels records are not judged by, if the source names some that there are."""
        path, lookup = self.job.shards / FILTER_FILE, LabelLookup.load(self.job.lookup)
        pairs = self.job.source.filter_pairs()
        with publish(path) as temporary, _gzip(temporary) as file:
            written = sum(file.write(lines) for lines in iter(partial(_known, pairs, lookup), None))
        if not written:
            path.unlink()
            return None
        return FileInfo(FILTER_FILE, path.stat().st_size, xxh3_128(path), sha256(path))

    def encode(self, found: CorpusStatistics) -> None:
        """Encode all records."""
        job = self.job
        parts = [
            self._part(f"encode-{n:06}", encode_piece, (job, n, piece), records)
            for n, (piece, records) in enumerate(zip(self.pieces, found.of_pieces, strict=True))
        ]
        list(run_tasks(parts, self.executor, self.progress, "encoding records"))

    def shards(self, found: CorpusStatistics, shard_rows: int) -> dict[str, tuple[ShardInfo, ...]]:
        """Cut each split into shards."""
        parts = [part for split in SPLITS if split in found.records for part in self._cut(split, found, shard_rows)]
        written = run_tasks(parts, self.executor, self.progress, "writing shards")
        shards: dict[str, list[ShardInfo]] = {}
        for part, info in zip(parts, written, strict=True):
            shards.setdefault(part.arguments[1], []).append(ShardInfo.from_json(info))
        return {split: tuple(infos) for split, infos in shards.items()}

    def _cut(self, split: str, found: CorpusStatistics, shard_rows: int) -> Iterator[Part]:
        records = found.records[split]
        for number, (low, high) in enumerate(pairwise(shard_bounds(self.job, split, records, shard_rows))):
            rows = min(shard_rows, records - number * shard_rows)
            yield self._part(f"{split}-{number:06}", write_one, (self.job, split, number, low, high), rows)

    def _part(self, name: str, function: Callable[..., dict[str, Any]], arguments: tuple[Any, ...], size: int) -> Part:
        return Part(self.job.folder / "results" / f"{name}.json", function, arguments, size)

    @property
    def _name(self) -> str:
        files = self.job.source.files
        return str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


@contextmanager
def _gzip(path: Path) -> Iterator[gzip.GzipFile]:
    """Compress to the same bytes whenever, and under whatever name: a header holds both unless it is told not to."""
    with path.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed:
        yield compressed


def _known(pairs: Iterator[tuple[str, str]], lookup: LabelLookup) -> bytes | None:
    """Spell out the next pairs, without labels that no record has; None when there are no more."""
    some = list(islice(pairs, _PAIRS_AT_ONCE))
    ids = lookup.ids([label for _, label in some])
    lines = (f"{record}\t{label}\n" for (record, label), found in zip(some, ids >= 0, strict=True) if found)
    return "".join(lines).encode() if some else None
