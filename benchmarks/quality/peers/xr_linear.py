"""XR-Linear on a corpus, for a Python of its own in which libpecos is: `python xr_linear.py CORPUS ANSWERS TOP`.

Yu, Zhong, Zhang, Chang, Dhillon: PECOS (JMLR 2022). Negatives are those of the teacher's and of the matcher's beam.
"""
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false

import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from pecos.xmc import Indexer, LabelEmbeddingFactory
from pecos.xmc.xlinear.model import XLinearModel
from task import read, write

MANY_LABELS = 5000  # from here on small weights are cut off, which keeps models small
THREADS = 2


def main(corpus: Path, answers: Path, top: int) -> None:
    """Train, and write the best labels of each test record."""
    task, started = read(corpus), perf_counter()
    embeddings = LabelEmbeddingFactory.create(task.truth_NL, task.train_NF, method="pifa")
    tree = Indexer.gen(embeddings, indexer_type="hierarchicalkmeans", nr_splits=16, max_leaf_size=100)
    model = XLinearModel.train(
        task.train_NF,
        task.truth_NL,
        C=tree,
        threads=THREADS,
        threshold=0.1 if len(task.names) > MANY_LABELS else 0.0,
        negative_sampling_scheme="tfn",
    )
    print(f"XR-Linear: trained in {perf_counter() - started:.0f} s", flush=True)
    best = model.predict(task.test_MF, only_topk=top, beam_size=20, threads=THREADS).tocsr()
    spans = list(zip(best.indptr[:-1], best.indptr[1:], strict=True))
    orders = [np.argsort(-best.data[start:stop], kind="stable") for start, stop in spans]
    rows = zip(spans, orders, strict=True)
    write(answers, task, [best.indices[start:stop][order] for (start, stop), order in rows])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
