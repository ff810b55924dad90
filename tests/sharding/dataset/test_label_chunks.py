"""The chunks of a data set's labels."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.corpus import DATA, prepare
from sharding import Dataset, convert, plan_chunks

GROUPS, SIZE = 4, 5


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 200 training records; each has two or three labels of one group, in other words than the labels' names.

    Of each group one label has a dev record only; its text has the words of the group's records.
    """
    folder = tmp_path_factory.mktemp("groups")
    random = np.random.default_rng(0)
    words = ["violin sonata", "gravel road", "enzyme protein", "court verdict"]
    with (folder / "groups.jsonl").open("w") as file:
        for number in range(200):
            group, count = number % GROUPS, random.integers(2, 4)
            labels = [f"{group}-{label}" for label in random.choice(SIZE - 1, count, replace=False)]
            file.write(json.dumps({"id": str(number), "split": "train", "text": words[group], "labels": labels}) + "\n")
        for group in range(GROUPS):
            record = {"id": f"dev {group}", "split": "dev", "text": "", "labels": [f"{group}-unseen"]}
            file.write(json.dumps(record) + "\n")
    texts = (f"{group}-unseen\tthe {words[group]}\n" for group in range(GROUPS))
    (folder / "labels.tsv").write_text("".join(texts))
    return folder / "groups.jsonl"


def chunks(source: Path, out: Path, tokenizer_folder: Path, shard_rows: int, seed: int) -> list[list[str]]:
    convert(source, out, tokenizer_folder, label_texts=source.with_name("labels.tsv"), shard_rows=shard_rows, seed=seed)
    dataset = Dataset.open(out)
    plan = plan_chunks(dataset, "train", SIZE)
    names = dataset.vocabulary.names_of(plan.order)
    return [names[start : start + SIZE] for start in range(0, len(names), SIZE)]


def test_labels_that_occur_together_share_a_chunk_with_the_unseen_one_of_like_text(
    source: Path, tmp_path: Path, tokenizer_folder: Path
) -> None:
    found = chunks(source, tmp_path, tokenizer_folder, 60, 0)
    wanted = [[*(f"{group}-{label}" for label in range(SIZE - 1)), f"{group}-unseen"] for group in range(GROUPS)]
    assert sorted(map(sorted, found)) == wanted


def test_a_plan_does_not_depend_on_how_records_are_spread_over_shards(
    source: Path, tmp_path: Path, tokenizer_folder: Path
) -> None:
    plans = [
        chunks(source, tmp_path / f"{rows} {seed}", tokenizer_folder, rows, seed)
        for rows, seed in [(7, 0), (1000, 0), (64, 5)]
    ]
    assert plans[0] == plans[1] == plans[2]


@pytest.mark.nightly
@pytest.mark.skipif(not (DATA / "debtags").is_dir(), reason=f"{DATA} has no debtags: set LMMTC_DATA")
def test_of_real_labels_more_that_occur_together_share_a_chunk_than_in_order_of_frequency(tmp_path: Path) -> None:
    dataset = prepare("debtags", tmp_path)
    num_labels = len(dataset.vocabulary)
    together_LL = np.zeros((num_labels, num_labels))
    for _, rows in dataset.split("train").shards(["labels"]):
        for labels in rows["labels"].to_pylist():
            together_LL[np.ix_(labels, labels)] += 1
    np.fill_diagonal(together_LL, 0)

    def shares(order: np.ndarray) -> list[float]:
        """Of pairs of labels that occur together, and of their occurrences, the shares within chunks of 64."""
        chunk_L = order.argsort() // 64
        inside_LL = chunk_L[:, None] == chunk_L
        return [float(pairs_LL[inside_LL].sum() / pairs_LL.sum()) for pairs_LL in (together_LL > 0, together_LL)]

    # The first 64 labels by frequency hold half of all occurrences, but hardly any of the other labels' pairs.
    assert shares(np.arange(num_labels)) == pytest.approx([0.138, 0.530], abs=5e-4)
    assert shares(np.random.default_rng(0).permutation(num_labels)) == pytest.approx([0.102, 0.086], abs=5e-4)
    assert shares(plan_chunks(dataset, "train", 64).order) == pytest.approx([0.268, 0.533], abs=5e-3)
