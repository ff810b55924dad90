"""Decides how a source becomes a data set: counted, encoded, cut into shards, and published as a whole.

The same source and settings give the same bytes, and so the same dataset_id.
"""

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pyarrow as pa

from .building import encode, write_shards
from .errors import DataError
from .labels import Vocabulary, read_label_texts
from .manifest import LABELS_FILE, MANIFEST_FILE, TOKENIZER_FOLDER, LabelsInfo, Manifest
from .records import BadRecordPolicy, Rejections
from .storage import publish, sha256
from .survey import Progress, Survey, survey, usable_records
from .tokenizing import SETTINGS_FILES, TOKENIZER_FILE, TextTokenizer


def _silent(_done: int, _total: int | None, _what: str) -> None:
    pass


def convert(
    source: Path,
    out: Path,
    tokenizer_folder: Path,
    *,
    label_texts: Path | None = None,
    vocabulary: Path | None = None,
    max_tokens: int = 512,
    shard_rows: int = 16_384,
    seed: int = 0,
    on_bad_record: BadRecordPolicy = "raise",
    progress: Progress = _silent,
) -> Manifest:
    """Convert a JSON-lines file into a data set in the folder `out`.

    label_texts: a .tsv file with texts of labels. vocabulary: another data set's labels.arrow, whose ids and texts are
    kept, and whose counts are kept unless the source has training labels. max_tokens: of one text, special tokens not
    counted. Raises a DataError when the source cannot be used, or when `out` holds another data set, which stays.
    """
    if vocabulary and label_texts:
        raise DataError(f"label texts {label_texts}: the vocabulary {vocabulary} brings its own: give one of the two")
    tokenizer = TextTokenizer.from_folder(tokenizer_folder)
    given = Vocabulary.load(vocabulary) if vocabulary else None
    found = survey(source, given, on_bad_record, progress)
    labels = _vocabulary(found, given, label_texts)
    rows = encode(usable_records(source, given, Rejections("skip")), tokenizer, labels, max_tokens)
    pieces = _by_split(rows, found.num_records, progress)
    with _staging(out) as staging:
        manifest = Manifest(
            splits={split: tuple(write_shards(staging, split, pieces[split], shard_rows, seed)) for split in pieces},
            tokenizer=tokenizer.spec,
            labels=_save(labels, staging),
            max_tokens=max_tokens,
            skipped_records=found.num_skipped,
        ).identified()
        _copy_tokenizer(tokenizer_folder, staging)
        _release(staging, out, manifest)
    return manifest


def _by_split(
    rows: Iterable[tuple[str, pa.RecordBatch]], total: int, progress: Progress
) -> dict[str, list[pa.RecordBatch]]:
    pieces = defaultdict(list)
    done = 0
    for split, piece in rows:
        pieces[split].append(piece)
        done += piece.num_rows
        progress(done, total, "encoding records")
    return pieces


def _vocabulary(found: Survey, given: Vocabulary | None, label_texts: Path | None) -> Vocabulary:
    if given is None:
        return Vocabulary.build(found.counts, read_label_texts(label_texts) if label_texts else {})
    return given.recounted(found.counts) if any(found.counts.values()) else given


def _save(labels: Vocabulary, folder: Path) -> LabelsInfo:
    path = folder / LABELS_FILE
    labels.save(path)
    return LabelsInfo(LABELS_FILE, len(labels), sha256(path))


def _copy_tokenizer(tokenizer_folder: Path, folder: Path) -> None:
    (folder / TOKENIZER_FOLDER).mkdir()
    for name in (TOKENIZER_FILE, *SETTINGS_FILES):
        if (tokenizer_folder / name).is_file():
            shutil.copyfile(tokenizer_folder / name, folder / TOKENIZER_FOLDER / name)


@contextmanager
def _staging(out: Path) -> Iterator[Path]:
    # Inside `out`, because only there is a rename sure to stay within one file system.
    staging = out / f".building-{uuid4().hex}"
    staging.mkdir(parents=True)
    try:
        yield staging
    finally:
        shutil.rmtree(staging)


def _release(staging: Path, out: Path, manifest: Manifest) -> None:
    if (out / MANIFEST_FILE).exists():
        published = Manifest.load(out).dataset_id
        if published != manifest.dataset_id:
            raise DataError(f"{out}: holds another data set already, {published}: choose another folder")
        return
    for file in [path for path in staging.rglob("*") if path.is_file()]:
        with publish(out / file.relative_to(staging)) as temporary:
            file.rename(temporary)
    manifest.save(out)
