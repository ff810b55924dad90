"""Read WebDataset tars with .json, .txt and .cls members; nothing is unpickled or extracted."""

import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadRecordError, DataError
from ..records import Record, parse_object
from ..storage import inside
from .fields import FieldReader
from .files import files_with
from .label_values import LabelForm
from .lines import decoded, opened
from .source import Piece, SourceSettings, attempt
from .tabular import Row, Tabular

_DECODED = frozenset({"json", "txt", "cls"})
# What other readers of these files would unpickle.
_REFUSED = frozenset({"pyd", "pickle", "pkl", "pt", "pth"})
_LARGEST_MEMBER = 64 << 20


@dataclass(frozen=True)
class Tar(Tabular):
    """Samples with .json, .txt and .cls members, as far as they are there; positions count samples, no file is cut."""

    def rows(self, piece: Piece) -> Iterator[Row]:
        path = self.files[piece.file]
        try:
            _check_members(path)
            for position, sample in enumerate(_samples(path)):
                try:
                    yield position, _fields(sample, self.settings)
                except BadRecordError as error:
                    yield position, error
        except (tarfile.TarError, OSError, EOFError, ValueError) as error:
            raise DataError(f"{path}: cannot be read: {error}") from error

    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        split = self.split_of(piece.file)
        for position, row in self.rows(piece):
            if isinstance(row, BadRecordError):
                yield position, row
            else:
                yield position, attempt(self.reader.record, row, row["__key__"], split)


def find_tar(paths: Sequence[Path], settings: SourceSettings) -> Tar | None:
    """Find .tar files."""
    files = files_with((".tar",), paths, chosen=settings.kind is not None)
    return Tar(files, settings, FieldReader(settings, LabelForm())) if files else None


def _check_members(path: Path) -> None:
    # A stream, because what is compressed cannot be read in another order.
    with opened(path) as file, tarfile.open(fileobj=file, mode=_mode(path)) as archive:
        for member in archive:
            # They would take half a kilobyte each. The library's stubs do not know of them.
            archive.members.clear()  # pyright: ignore[reportAttributeAccessIssue]
            if member.name != ".":  # the folder itself, which `tar -C folder .` begins with
                inside(path, member.name)
            if fault := _fault(member):
                raise DataError(f"{path}: member {member.name!r} {fault}: write the archive again without it")


def _mode(path: Path) -> Any:
    return "r|gz" if path.suffix.lower() == ".tgz" else "r|"


def _fault(member: tarfile.TarInfo) -> str | None:
    if not (member.isreg() or member.isdir()):
        return "is a link or a device: members must be files"
    if refused := _REFUSED.intersection(member.name.lower().split(".")):
        return f"is of the kind .{min(refused)}, which can run code when it is decoded"
    if member.size > _LARGEST_MEMBER:
        return f"has {member.size} bytes: must have at most {_LARGEST_MEMBER}"
    return None


def _samples(path: Path) -> Iterator[Mapping[str, Any]]:
    # The library imports torch, a second that only those who read tars should wait.
    from webdataset.tariterators import group_by_keys, tar_file_expander  # noqa: PLC0415

    def is_decoded(name: str) -> bool:
        return name.lower().rpartition(".")[2] in _DECODED

    with opened(path) as file:
        members = tar_file_expander([{"url": str(path), "stream": file}], select_files=is_decoded)
        yield from group_by_keys(members)


def _fields(sample: Mapping[str, Any], settings: SourceSettings) -> dict[str, Any]:
    fields = parse_object(sample["json"]) if "json" in sample else {}
    if "txt" in sample:
        fields[settings.text_fields[0]] = decoded(sample["txt"])
    if "cls" in sample:
        names = (line.strip() for line in decoded(sample["cls"]).splitlines())
        fields[settings.labels_fields[0]] = [name for name in names if name]
    return {**fields, "__key__": sample["__key__"]}
