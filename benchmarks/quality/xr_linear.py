"""XR-Linear on a corpus, for a Python of its own in which libpecos is: `python xr_linear.py CORPUS ANSWERS TOP`.

It knows nothing of lmmtc, and sees training records alone. The best labels of each test record are written by name.
"""
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false

import json
import sys
from pathlib import Path

import numpy as np
from pecos.xmc import Indexer, LabelEmbeddingFactory
from pecos.xmc.xlinear.model import XLinearModel
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer


def main(corpus: Path, answers: Path, top: int) -> None:
    """Train with PECOS's defaults on words and pairs of words, weighed by TF-IDF; answer."""
    with corpus.open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    train, test = ([record for record in records if record["split"] == split] for split in ("train", "test"))
    names = sorted({label for record in train for label in record["labels"]})
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2, dtype=np.float32)
    features = words.fit_transform(record["text"] for record in train).tocsr()
    truth = targets(train, names)
    tree = Indexer.gen(LabelEmbeddingFactory.create(truth, features, method="pifa"))
    model = XLinearModel.train(features, truth, C=tree)
    asked = words.transform(record["text"] for record in test).tocsr()
    best = model.predict(asked, only_topk=top).tocsr()
    with answers.open("w", encoding="utf-8") as file:
        for record, start, stop in zip(test, best.indptr[:-1], best.indptr[1:], strict=True):
            order = np.argsort(-best.data[start:stop], kind="stable")
            labels = [names[label] for label in best.indices[start:stop][order]]
            file.write(json.dumps({"id": record["id"], "labels": labels}) + "\n")


def targets(records: list, names: list) -> sparse.csr_matrix:
    """Lay labels out as a sparse matrix [N, L] of ones."""
    ids = {name: label for label, name in enumerate(names)}
    columns = [ids[label] for record in records for label in record["labels"]]
    offsets = np.cumsum([0, *(len(record["labels"]) for record in records)])
    return sparse.csr_matrix((np.ones(len(columns), np.float32), columns, offsets), (len(records), len(names)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
