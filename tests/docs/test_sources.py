"""The commands of docs/sources.md, each run on files of the kind that it is about."""

import bz2
import json
import re
import shlex
import tarfile
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from sharding import Dataset
from tests.launcher.conftest import (
    Lmmtc,
    lmmtc,  # noqa: F401  # the fixture
)
from tests.programs import ROOT

PAGE = (ROOT / "docs/sources.md").read_text("utf-8")
SHARD = "lmmtc data shard "
BLOCKS = [
    line for block in re.findall(r"^```\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE) for line in block.splitlines()
]
ROWS = re.findall(r"^\| [^|]* \| `([^`]*OUT[^`]*)` \|$", PAGE, re.MULTILINE)
COMMANDS = [line.removeprefix(SHARD).replace(" --tokenizer TOKENIZER", "") for line in BLOCKS if line.startswith(SHARD)]

TEXTS, LABELS = ["the tap leaks", "tiles came loose", "the wall is wet"], [["x", "y"], ["x"], ["z", "y"]]
PAIRS = list(zip(TEXTS, LABELS, strict=True))
CSV = "id,text,labels\n" + "".join(f"{n},{text},{'|'.join(labels)}\n" for n, (text, labels) in enumerate(PAIRS))


def lines(text: str = "text", labels: str = "labels", **more: object) -> str:
    return "".join(json.dumps({text: t, labels: names, **more}) + "\n" for t, names in PAIRS)


def table(*header: str, rows: str) -> str:
    """Write a table; in `rows` stand T for the text, A for the first label and B for all."""
    filled = (rows.replace("T", t).replace("A", n[0]).replace("B", "|".join(n)) for t, n in PAIRS)
    return "\n".join([",".join(header), *filled]) + "\n"


def arrow(path: Path) -> None:
    feather.write_feather(pa.table({"text": TEXTS, "labels": LABELS}), str(path))


def as_parquet(*names: str) -> Callable[[Path], None]:
    return lambda path: parquet.write_table(pa.table(dict(zip(names, (TEXTS, LABELS), strict=True))), path)


def saved(path: Path, column: str = "topics") -> None:
    """Write what `save_to_disk` writes; of a split."""
    rows = pa.table({"text": TEXTS, column: LABELS})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, rows.schema) as stream:
        stream.write_table(rows)
    path.with_name("state.json").write_text(json.dumps({"_data_files": [{"filename": path.name}], "_split": "train"}))
    path.with_name("dataset_info.json").write_text("{}")


def workbook(path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [("text", "labels"), *((text, "; ".join(names)) for text, names in PAIRS)]:
        book.active.append(row)
    book.save(path)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("corpus.csv", CSV)


def tarred(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for number, (text, names) in enumerate(PAIRS):
            content = json.dumps({"text": text, "labels": names}).encode()
            member = tarfile.TarInfo(f"{number}.json")
            member.size = len(content)
            archive.addfile(member, BytesIO(content))


def matrix(path: Path) -> None:
    from scipy.sparse import csr_matrix, save_npz

    save_npz(path, csr_matrix([[1, 1, 0], [1, 0, 0], [0, 1, 1]]))


STUDIO = [
    {"id": n, "data": {"text": text}, "annotations": [{"result": [{"value": {"choices": names}}]}]}
    for n, (text, names) in enumerate(PAIRS)
]
URIS = "".join(f"{text}\t{' '.join(f'<http://v/{name}>' for name in names)}\n" for text, names in PAIRS)
SKOS = "@prefix skos: <http://www.w3.org/2004/02/skos/core#> .\n" + "".join(
    f'<http://v/{name}> skos:prefLabel "about {name}"@en .\n' for name in "xyz"
)
BAGS = {"train.txt": "3 2 3\n0,1 0:1\n0 1:1\n2,1 0:1 1:1\n"}
RAW = "".join(text + "\n" for text in TEXTS)

# Content by name, of files that commands name; a folder is all names that begin with it.
FILES: dict[str, str | bytes | Callable[[Path], None]] = {
    "corpus.csv": CSV,
    "labels.tsv": "x\tabout x\ny\tabout y\n",
    "body.csv": table("body", "tags", rows="T,B"),
    "articles.csv": table("title", "abstract", "labels", rows="T,more,B"),
    "codes.csv": table("text", "first", "second", rows="T,A,w"),
    "marked.csv": table("text", "source", "roof", "damp", rows="T,s,1,0"),
    "bare.csv": CSV.partition("\n")[2],
    "western.csv": CSV.replace("tap", "t\u00fcr").encode("cp1252"),
    "corpus.jsonl": lines(),
    "nested.jsonl": "".join(
        json.dumps({"text": text, "meta": {"subjects": [{"uri": name} for name in names]}}) + "\n"
        for text, names in PAIRS
    ),
    "corpus.xlsx": workbook,
    "corpus.csv.zip": zipped,
    "corpus.csv.bz2": bz2.compress(CSV.encode()),
    "folder/train/a.jsonl": lines(id=1).splitlines()[0],
    "folder/test/a.jsonl": lines(id=2).splitlines()[1],
    "repository/README.md": "# data",
    "repository/data/train-00000-of-00001.parquet": as_parquet("text", "labels"),
    "cooking.train": "".join(" ".join(f"__label__{name}" for name in names) + f" {text}\n" for text, names in PAIRS),
    "doccano.jsonl": lines(labels="label"),
    "label-studio.json": json.dumps(STUDIO),
    "export.json": json.dumps(STUDIO),
    "documents.tsv": URIS,
    "subjects.csv": "text,labels\n" + URIS.replace("\t", ","),
    "vocabulary.ttl": SKOS,
    "pubmed/a.jsonl": "".join(
        json.dumps({"pmid": n, "abstract": text, "mesh": names}) + "\n" for n, (text, names) in enumerate(PAIRS)
    ),
    "data/train.parquet": as_parquet("body", "tags"),
    "tables/a.csv": CSV,
    "table.tsv": table("text", "codes", rows="T,B").replace("|", "; ").replace(",", "\t"),
    "tars/train.tar": tarred,
    "saved/dataset_dict.json": json.dumps({"splits": ["train"]}),
    "saved/train/data.arrow": saved,
    "corpus.feather": arrow,
    "rcv1/train.txt": "".join(f"{n}\t{' '.join(names)}\t{text}\n" for n, (text, names) in enumerate(PAIRS)),
    "fulltext/a.txt": "the tap leaks",
    "fulltext/a.tsv": "<http://v/x>\tx\n",
    "LF-AmazonTitles-131K/lbl.json": "".join(json.dumps({"uid": name, "title": name}) + "\n" for name in "xyz"),
    "LF-AmazonTitles-131K/trn.json": "".join(
        json.dumps({"uid": str(n), "title": text, "target_ind": [n]}) + "\n" for n, text in enumerate(TEXTS)
    ),
    "LF-WikiSeeAlso-320K/trn_X.txt": RAW,
    "LF-WikiSeeAlso-320K/trn_X_Y.txt": "3 3\n0:1 1:1\n0:1\n2:1\n",
    "EURLex-4K/train.txt": BAGS["train.txt"],
    "features.names": "leak\nwet\n",
    "train.svm": "0,1 1:1\n0 2:1\n2,1 1:1 2:1\n",
    "Wiki10-31K/train_raw_texts.txt": RAW,
    "Wiki10-31K/train_labels.txt": "x y\nx\nz y\n",
    "xmc-base/wiki10-31k/X.trn.txt": RAW,
    "xmc-base/wiki10-31k/Y.trn.npz": matrix,
    "text2text/training-data.txt": "".join(f"0,{n}\t{text}\n" for n, text in enumerate(TEXTS, start=1)),
    "text2text/output-labels.txt": "w\nx\ny\nz\n",
}
# Where two commands name one path and mean two contents.
INSTEAD = {
    "corpus.csv OUT --text-field body": {"corpus.csv": FILES["body.csv"]},
    "saved/train OUT": {"saved/train/data.arrow": lambda path: saved(path, "labels")},
    "folder/ OUT --feature": {"folder/train.txt": BAGS["train.txt"], "folder/Xf.txt": "leak\nwet\n"},
}


def test_there_are_commands_to_run() -> None:
    assert len(ROWS) > 15
    assert len(COMMANDS) > 15


@pytest.mark.parametrize("command", dict.fromkeys([*ROWS, *COMMANDS]))
def test_a_command_reads_what_it_is_about(
    lmmtc: Lmmtc,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tokenizer_folder: Path,
    command: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    source, out, *options = shlex.split(command)
    other = next((files for start, files in INSTEAD.items() if command.startswith(start)), {})
    wanted = {source.rstrip("/"), *(option for option in options if option in FILES)}
    named = {name for name in FILES if any(name == path or name.startswith(f"{path}/") for path in wanted)}
    if other and source == "folder/":
        named = set()
    for name in named | other.keys():
        path, content = tmp_path / name, {**FILES, **other}[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = lmmtc("data", "shard", source, out, "--tokenizer", tokenizer_folder, "--workers", 1, *options)
    assert said.code == 0, said.err
    assert len(Dataset.open(tmp_path / "OUT").vocabulary)
