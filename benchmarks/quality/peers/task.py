"""What the peers' scripts share: a corpus as TF-IDF matrices, and answers as a file of label names.

It is imported by scripts in a Python of their own, and knows nothing of lmmtc: numpy, scipy and scikit-learn alone.
"""
# pyright: basic, reportMissingImports=false, reportArgumentType=false

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

TOP_WORDS = 500_000


@dataclass(frozen=True)
class Task:
    """Training records as matrices, and test records that are to be answered.

    Attributes:
        names: Labels with a training record, L of them.
        truth_NL: Ones where a training record has a label, float32 CSR.
        train_NF: TF-IDF of words and pairs of words of the training records, float32 CSR.
        test_ids: Ids of all test records, those without a known label too.
        test_MF: The same features of the test records.
    """

    names: list[str]
    truth_NL: sparse.csr_matrix
    train_NF: sparse.csr_matrix
    test_ids: list[str]
    test_MF: sparse.csr_matrix


def read(corpus: Path) -> Task:
    """Read a JSON Lines corpus; terms and labels are those of its training records."""
    with corpus.open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    train, test = ([record for record in records if record["split"] == split] for split in ("train", "test"))
    names = sorted({label for record in train for label in record["labels"]})
    words = TfidfVectorizer(
        sublinear_tf=True,
        min_df=2,
        ngram_range=(1, 2),
        max_features=TOP_WORDS,
        strip_accents="unicode",
        token_pattern=r"(?u)\b\w+\b",  # noqa: S106  # words of one letter too
        dtype=np.float32,
    )
    train_NF = sparse.csr_matrix(words.fit_transform(record["text"] for record in train))
    test_MF = sparse.csr_matrix(words.transform(record["text"] for record in test))
    return Task(names, targets(train, names), train_NF, [record["id"] for record in test], test_MF)


def targets(records: list, names: list) -> sparse.csr_matrix:
    """Lay labels out as a sparse matrix [N, L] of ones."""
    ids = {name: label for label, name in enumerate(names)}
    columns = [ids[label] for record in records for label in record["labels"]]
    offsets = np.cumsum([0, *(len(record["labels"]) for record in records)])
    return sparse.csr_matrix((np.ones(len(columns), np.float32), columns, offsets), (len(records), len(names)))


def write(answers: Path, task: Task, ranked: list) -> None:
    """Write the ranking of each test record, label ids best first, by names."""
    with answers.open("w", encoding="utf-8") as file:
        for record, labels in zip(task.test_ids, ranked, strict=True):
            file.write(json.dumps({"id": record, "labels": [task.names[label] for label in labels]}) + "\n")
