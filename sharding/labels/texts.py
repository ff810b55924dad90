"""Read label texts (names and descriptions) from .tsv, .csv and SKOS files, and match them to labels."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from ..sources import opened, read_pairs, suffix_of

_SKOS = {".ttl": "turtle", ".rdf": "xml", ".skos": "xml", ".nt": "nt", ".n3": "n3"}
_HEADERS = frozenset({"label", "uri", "name", "id", "code", "notation", "concept", "labels"})
_TEXT_HEADERS = ("text", "label", "title", "description", "name", "preflabel")


@dataclass(frozen=True)
class MatchedTexts:
    """Texts by the names of labels that there are.

    Attributes:
        texts: By name.
        unmatched: Names in the file that are those of no label.
    """

    texts: Mapping[str, str]
    unmatched: tuple[str, ...]


def read_label_texts(path: Path, language: str | None = None) -> dict[str, str]:
    """Read label texts by name.

    Args:
        path: A .tsv file of lines "label TAB text", a .csv file of the same two columns, each perhaps compressed, or a
            SKOS vocabulary in .ttl, .rdf or .nt, whose labels are URIs.
        language: Of the texts that are taken of a vocabulary.

    Raises:
        DataError: A line is none, or a label stands twice with two texts; the error names the line.
    """
    texts: dict[str, str] = {}
    for where, label, text in _pairs(path, language):
        if texts.setdefault(label, text) != text:
            raise DataError(f"{where}: label {label!r}: stands twice, with another text on an earlier line")
    return {label: text for label, text in texts.items() if text}


def read_new_labels(path: Path) -> dict[str, str | None]:
    """Read new labels, each with its text or None, from such a file as `read_label_texts` reads.

    Raises:
        DataError: There is no label, a line is no pair, or a label stands twice; the error names the line.
    """
    labels: dict[str, str | None] = {}
    for where, label, text in _pairs(path, None):
        if label in labels:
            raise DataError(f"{where}: label {label!r}: stands on an earlier line already")
        labels[label] = text or None
    if not labels:
        raise DataError(f"{path}: holds no label")
    return labels


def match_texts(path: Path, texts: Mapping[str, str], names: Iterable[str]) -> MatchedTexts:
    """Find the label of each text: of the same name, or else of one that differs in `<>`, in case or in dots alone.

    Raises:
        DataError: No text has a label.
    """
    found, wanted = {}, []
    for name in names:
        if name in texts:
            found[name] = texts[name]
        else:
            wanted.append(name)
    used = set(found)
    for form in (_bare, _undotted):
        by_form = _unique(form, (label for label in texts if label not in used))
        for name, label in _unique(form, wanted).items():
            if (match := by_form.get(name)) is not None and label not in found:
                found[label] = texts[match]
                used.add(match)
    if texts and not found:
        raise DataError(
            f"label texts {path}: none of its {len(texts)} lines names a label: it has {next(iter(texts))!r}, "
            f"and labels are like {next(iter(wanted), '')!r}"
        )
    return MatchedTexts(found, tuple(label for label in texts if label not in used))


def _bare(name: str) -> str:
    return name.strip().removeprefix("<").removesuffix(">").casefold()


def _undotted(name: str) -> str:
    return _bare(name).replace(".", "")


def _unique(form: Callable[[str], str], names: Iterable[str]) -> dict[str, str]:
    """Give names by a form of them, without forms that several have."""
    several: dict[str, list[str]] = {}
    for name in names:
        several.setdefault(form(name), []).append(name)
    return {key: found[0] for key, found in several.items() if len(found) == 1}


def _pairs(path: Path, language: str | None) -> Iterator[tuple[str, str, str]]:
    match suffix_of(path):
        case ".csv":
            yield from _of_csv(path, language)
        case suffix if suffix in _SKOS:
            yield from _of_skos(path, _SKOS[suffix], language)
        case _:
            for where, label, text in read_pairs(path, "a label", "its text"):
                # What stands in further columns, a notation for example, is no part of the text.
                yield where, label, text.partition("\t")[0]


def _of_csv(path: Path, language: str | None) -> Iterator[tuple[str, str, str]]:
    with opened(path) as file:
        try:
            rows = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""), strict=True)
            first = next(rows, [])
            place = _text_column(first, language)
            if place is None:
                place = 1
                yield from _pair(path, 1, first, place)
            for row in rows:
                yield from _pair(path, rows.line_num, row, place)
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{path}: cannot be read as CSV in UTF-8: {error}") from None


def _text_column(header: list[str], language: str | None) -> int | None:
    """Tell where texts stand; None where the first row is no header."""
    names = [name.strip().lower() for name in header]
    if not names or names[0] not in _HEADERS:
        return None
    wanted = [f"{name}_{language.lower()}" for name in _TEXT_HEADERS] if language else []
    for name in (*wanted, *_TEXT_HEADERS):
        if name in names[1:]:
            return names.index(name, 1)
    return next((number for number, name in enumerate(names) if number and name.startswith("label")), 1)


def _pair(path: Path, line: int, row: list[str], place: int) -> Iterator[tuple[str, str, str]]:
    if not row:
        return
    if len(row) <= place:
        raise DataError(
            f"{path.name}:{line}: has {len(row)} fields: must have a label and, in field {place + 1}, its text"
        )
    yield f"{path.name}:{line}", row[0].strip(), row[place].strip()


def _of_skos(path: Path, form: str, language: str | None) -> Iterator[tuple[str, str, str]]:
    if language is None:
        raise DataError(f"{path}: is a SKOS vocabulary: say the language of the texts, for example --label-language en")
    try:
        from rdflib import Graph, Literal  # noqa: PLC0415  # an extra
        from rdflib.namespace import SKOS  # noqa: PLC0415
    except ImportError:
        raise DataError(
            f"{path}: to read SKOS, the package 'rdflib' must be installed: pip install lmmtc[skos]; or write it as TSV"
        ) from None
    graph = Graph()
    try:
        with opened(path) as file:
            graph.parse(file, format=form)
    except Exception as error:
        raise DataError(f"{path}: cannot be read as SKOS: {error}") from error
    for concept, preferred in sorted(graph.subject_objects(SKOS.prefLabel)):
        if isinstance(preferred, Literal) and preferred.language == language:
            others = [each for each in graph.objects(concept, SKOS.altLabel) if isinstance(each, Literal)]
            alternatives = sorted(str(each) for each in others if each.language == language)
            yield path.name, str(concept), "; ".join([str(preferred), *alternatives])
