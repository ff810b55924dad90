"""Bonsai on a corpus, for a Python of its own in which omikuji is: `python bonsai.py CORPUS ANSWERS TOP`.

Khandagale, Xiao, Babbar: Bonsai, diverse and shallow trees for extreme multi-label classification (2020): three trees
of unbalanced clusters, a hundred a node.
"""
# pyright: basic, reportMissingImports=false, reportOptionalSubscript=false

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import omikuji
from scipy import sparse
from task import Task, read, write

SETTINGS = {"n_trees": 3, "cluster_balanced": False, "cluster_k": 100, "max_depth": 3, "min_branch_size": 101}
THREADS = 2


def main(corpus: Path, answers: Path, top: int) -> None:
    """Train, and write the best labels of each test record."""
    task = read(corpus)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "train.txt"
        write_svm(file, task)
        started = perf_counter()
        model = omikuji.Model.train_on_data(str(file), settings(), THREADS)
    print(f"Bonsai: trained in {perf_counter() - started:.0f} s", flush=True)
    write(answers, task, [best(model, features, top) for features in rows(task.test_MF)])


def settings() -> object:
    """Change omikuji's defaults, a C struct, into Bonsai."""
    chosen = omikuji.Model.default_hyper_param()
    for name, value in SETTINGS.items():
        setattr(chosen, name, value)
    return chosen


def best(model: omikuji.Model, features: list, top: int) -> list:
    """Rank labels for one record; without a known word there is nothing to rank by."""
    return [label for label, _ in model.predict(features, top_k=top)] if features else []


def rows(matrix_NF: sparse.csr_matrix) -> list:
    """List the features of each row and their values."""
    bounds = zip(matrix_NF.indptr[:-1], matrix_NF.indptr[1:], strict=True)
    columns, values = matrix_NF.indices.tolist(), matrix_NF.data.tolist()
    return [list(zip(columns[start:stop], values[start:stop], strict=True)) for start, stop in bounds]


def write_svm(path: Path, task: Task) -> None:
    """Write omikuji's format: a line of sizes, then labels and features of each record."""
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{task.train_NF.shape[0]} {task.train_NF.shape[1]} {len(task.names)}\n")
        for labels, features in zip(rows(task.truth_NL), rows(task.train_NF), strict=True):
            words = " ".join(f"{word}:{value:.6g}" for word, value in features)
            file.write(f"{','.join(str(label) for label, _ in labels)} {words}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
