"""Conversion of a corpus into a sharded data set: counted, encoded, shuffled on disk, and published as a whole.

The same source and settings give the same bytes, and so the same dataset_id, whatever works on it. Three rounds, each
of parts that any worker can do and that are never done twice:

    pieces of the source -> label counts          -> vocabulary
    pieces of the source -> runs, sorted by key   -> where to cut
    stretches of keys    -> shards                -> manifest
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import DataError
from ..labels import Vocabulary, match_texts, read_label_texts
from ..layout.manifest import FORMAT_VERSION, Kind, Manifest
from ..records import BadRecordPolicy
from ..sources import Source, SourceSettings, open_source
from ..storage import sha256
from ..tokenizing import TextTokenizer
from .encoding import changed
from .job import Job
from .publishing import check_free, release
from .run_tasks import Progress, workers
from .stages import Stages
from .understanding import understanding
from .workspace import workspace

MEMORY = 512 << 20
_FILES = ("label_texts", "vocabulary")
_SMALLEST_PIECE, _LARGEST_PIECE, _PIECES = 16 << 20, 256 << 20, 256


def _silent(*_: object) -> None:
    pass


def convert(
    source: Path | Sequence[Path],
    out: Path,
    tokenizer_folder: Path,
    *,
    source_settings: SourceSettings | None = None,
    label_texts: Path | None = None,
    label_language: str | None = None,
    vocabulary: Path | None = None,
    max_tokens: int = 512,
    shard_rows: int = 16_384,
    seed: int = 0,
    dev_share: float = 0.0,
    strict: bool = False,
    on_bad_record: BadRecordPolicy = "raise",
    kinds: Sequence[Kind] = ("arrow",),
    num_workers: int = 1,
    memory: int = MEMORY,
    executor: Executor | None = None,
    progress: Progress = _silent,
    skipped: Callable[[str], None] = _silent,
) -> Manifest:
    """Convert a source into a data set in the folder `out`.

    What was done before a kill, or before any error, is kept in `out` and not done again.

    Args:
        source: Files and folders with records.
        out: The folder of the data set.
        tokenizer_folder: A folder with the tokenizer.json of a Hugging Face fast tokenizer, and its settings.
        source_settings: How the source is read; None: its kind is told from its files.
        label_texts: A .tsv or .csv file with texts of labels, or a SKOS vocabulary.
        label_language: Of the texts that are taken of a vocabulary.
        vocabulary: Another data set's labels.arrow, whose ids and texts are kept, and whose counts are kept unless the
            source has training labels.
        max_tokens: Tokens of a text that are stored at most, special tokens not counted.
        shard_rows: Records of a shard; the last of a split may have fewer.
        seed: Seed of the shuffle.
        dev_share: Share of the training records that is set aside as dev where there are training and test records and
            no dev.
        strict: Whether what looks wrong about the source ends the conversion.
        on_bad_record: Whether a record that cannot be used ends the conversion ("raise") or is left out ("skip").
        kinds: Formats of the shards, at least one.
        num_workers: Processes of this machine, or of `executor`.
        memory: Bytes of records and counts that all workers together hold.
        executor: Runs the tasks, perhaps on other machines that see the same files; None: processes of this machine.
        progress: Called with (done, total, what is being done).
        skipped: Called with the first bad records of each piece, one line each.

    Returns:
        The manifest that was published.

    Raises:
        DataError: The source cannot be used or has changed meanwhile, an id stands twice, something looks wrong and
            `strict` is set, or `out` holds another data set, which stays.
        BadRecordError: A record cannot be read, with on_bad_record="raise".
        UnknownLabelError: A label is not in the given vocabulary, with on_bad_record="raise".
    """
    # Workers need not be in this folder.
    out, tokenizer_folder = out.absolute(), tokenizer_folder.absolute()
    paths = [source] if isinstance(source, Path) else list(source)
    recipe = _Recipe(
        label_texts, label_language, vocabulary, max_tokens, shard_rows, seed, dev_share, on_bad_record, tuple(kinds)
    )
    opened, given, texts = open_source(paths, source_settings or SourceSettings()), recipe.given(), recipe.texts()
    tokenizer = TextTokenizer.from_folder(tokenizer_folder).spec
    pieces = opened.pieces(_piece_bytes(opened))
    num_workers = max(min(num_workers, len(pieces)), 1)
    check_free(out, tokenizer, max_tokens, recipe.kinds)
    content = _content(opened)
    plan = {
        "recipe": recipe.content(),
        "source": [repr(opened), content],
        "pieces": [astuple(piece) for piece in pieces],
        "tokenizer": tokenizer.sha256,
    }
    with (
        workspace(out, plan) as folder,
        nullcontext(executor) if executor else workers(num_workers) as pool,
    ):
        job = Job(
            source=opened,
            folder=folder,
            tokenizer_folder=tokenizer_folder,
            kinds=recipe.kinds,
            policy=on_bad_record,
            strict=given is not None,
            max_tokens=max_tokens,
            seed=seed,
            dev_share=dev_share,
            worker_bytes=memory // num_workers,
        )
        rounds = Stages(job, pieces, pool, progress)
        survey = rounds.survey(given)
        for line in survey.shown:
            skipped(line)
        rounds = rounds.setting_aside(survey)
        texts, told = recipe.matched(texts, survey.counts)
        labels, names = rounds.vocabulary(survey, given, {**opened.label_texts(), **texts})
        said = {"format": opened.settings.kind, **opened.understood()}
        source_info = understanding(said, survey, names, rounds.leaked(survey), told)
        if strict and source_info["warnings"]:
            raise DataError(f"{named(opened)}: {'; '.join(source_info['warnings'])}: mend that, or leave out --strict")
        rounds.encode(survey)
        _check_unchanged(opened, content)
        manifest = Manifest(
            splits=rounds.shards(survey, shard_rows),
            tokenizer=tokenizer,
            labels=labels,
            max_tokens=max_tokens,
            skipped_records=survey.skipped,
            label_filter=rounds.label_filter(),
            source=source_info,
        ).identified()
        published = release(rounds.job, out, manifest)
    if published.dataset_id != manifest.dataset_id:
        raise DataError(f"{out}: holds another data set already, {published.dataset_id}: choose another folder")
    return manifest


@dataclass(frozen=True)
class _Recipe:
    """What a data set is made of beside its source; all of it shows in its bytes."""

    label_texts: Path | None
    label_language: str | None
    vocabulary: Path | None
    max_tokens: int
    shard_rows: int
    seed: int
    dev_share: float
    on_bad_record: BadRecordPolicy
    kinds: tuple[Kind, ...]

    def given(self) -> Vocabulary | None:
        """Read the vocabulary that labels must be of, if there is one."""
        if self.vocabulary and self.label_texts:
            raise DataError(
                f"label texts {self.label_texts}: the vocabulary {self.vocabulary} brings its own: give one of the two"
            )
        return _different(Vocabulary.load(self.vocabulary), self.vocabulary) if self.vocabulary else None

    def texts(self) -> dict[str, str]:
        """Read what labels mean."""
        return read_label_texts(self.label_texts, self.label_language) if self.label_texts else {}

    def matched(self, texts: dict[str, str], counts: pa.Table) -> tuple[Mapping[str, str], dict[str, Any]]:
        """Find the labels of texts; returns texts by name, and what is told of them."""
        if not self.label_texts:
            return texts, {}
        names = counts["name"].to_pylist()
        found = match_texts(self.label_texts, texts, names)
        told: dict[str, Any] = {"labels_with_text": len(found.texts), "texts_without_label": len(found.unmatched)}
        said = [f"{self.label_texts}: texts for {len(found.texts):,} of {len(names):,} labels"]
        if found.unmatched:
            said.append(f"{len(found.unmatched):,} lines name no label, e.g. {found.unmatched[0]!r}")
        partial = found.unmatched or len(found.texts) < len(names)
        return found.texts, told | ({"label_text_warnings": ["; ".join(said)]} if partial else {})

    def content(self) -> dict[str, object]:
        """Name everything by content, not by place."""
        files = {name: sha256(path) if path else None for name, path in asdict(self).items() if name in _FILES}
        return {**asdict(self), **files, "format_version": FORMAT_VERSION}


def _different(labels: Vocabulary, path: Path) -> Vocabulary:
    if len(labels.names.unique()) < len(labels):
        twice = Counter(labels.names.to_pylist()).most_common(1)[0][0]
        raise DataError(f"label vocabulary {path}: label {twice!r} is there twice: names must differ")
    return labels


def named(source: Source) -> str:
    """Name a source by its first file, and say how many there are."""
    return str(source.files[0]) if len(source.files) == 1 else f"{source.files[0]} and {len(source.files) - 1} more"


def _content(source: Source) -> dict[str, list[int]]:
    files = [file for file in (*source.files, *source.companions()) if file.is_file()]
    stats = [(str(file), file.stat()) for file in files]
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats}


def _check_unchanged(source: Source, before: dict[str, list[int]]) -> None:
    now = _content(source)
    for name in before | now:
        if before.get(name) != now.get(name):
            raise changed(name)


def _piece_bytes(source: Source) -> int:
    """Cut large sources into larger pieces: how many runs there are decides how often shards must look for rows."""
    total = sum(file.stat().st_size for file in source.files)
    return min(max(total // _PIECES, _SMALLEST_PIECE), _LARGEST_PIECE)
