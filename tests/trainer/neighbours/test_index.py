"""An index of a data set against full matrices of its training records, on any number of ranks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor

from sharding import TRAIN, Dataset
from tests.trainer.neighbours.models import STEP, settings, tiny_model
from trainer.distributed import ONE_RANK, Ranks
from trainer.errors import ConfigError
from trainer.inference.loading import TrainedModel
from trainer.neighbours import IndexFolder, IndexMeta, NeighbourIndex, VoteRule, Votes, build_index, fingerprint
from trainer.neighbours.build import choose_records
from trainer.neighbours.encoding import encode_queries
from trainer.neighbours.records import text_hash, title_hash
from trainer.neighbours.terms import count_terms, document_frequencies, inverse_frequencies, weigh

OnRanks = Callable[..., list[Any]]

pytestmark = pytest.mark.ranks

K = 4


@dataclass(frozen=True)
class Asked:
    """What a rank was answered, and how many records its progress said."""

    ids: dict[str, list[list[int]]]
    scores: dict[str, list[list[float]]]
    progress: tuple[int, int]


def read(dataset: Path, split: str) -> pa.Table:
    records = Dataset.open(dataset).split(split)
    return records.take(np.arange(records.num_records), ("id", "text", "labels", "tokens"))


def build_and_ask(ranks: Ranks, dataset: Path, encoder: Path, folder: Path) -> Asked:
    """Build, load, and ask about every training record; each rank asks about its share."""
    model, steps = tiny_model(dataset, encoder, ranks), list[tuple[int, int]]()
    build_index(model, Dataset.open(dataset), settings(), folder, ranks, lambda *step: steps.append(step))
    index = NeighbourIndex.load(folder, fingerprint(model), model.vocabulary, ranks)
    table = read(dataset, TRAIN)
    own = slice(ranks.rank * 100 // ranks.world_size, (ranks.rank + 1) * 100 // ranks.world_size)
    exclude = index.positions(table["id"].to_pylist()[own])
    queries = encode_queries(model, table.slice(own.start, own.stop - own.start))
    votes: dict[str, Votes] = {
        "dense": index.vote("dense", queries, VoteRule(K, 8), exclude),
        "sparse": index.vote("sparse", table["text"].to_pylist()[own], VoteRule(K, 2), exclude),
    }
    ids = {kind: each.ids_BM.tolist() for kind, each in votes.items()}
    return Asked(ids, {kind: each.scores_BM.tolist() for kind, each in votes.items()}, steps[-1])


def cosines(kind: str, model: TrainedModel, table: pa.Table) -> np.ndarray:
    """Compute those of all pairs of training records, a record and itself 0."""
    if kind == "dense":
        queries = encode_queries(model, table)
        centred = (queries - queries.mean(dim=0)).double()
        units = centred / centred.norm(dim=1, keepdim=True)
        whole = (units @ units.bfloat16().double().T).numpy()
    else:
        counts = count_terms(table["text"].to_pylist(), 4096)
        keys = weigh(counts, inverse_frequencies(document_frequencies(counts), len(table))).toarray().astype(np.float64)
        whole = keys @ keys.T
    np.fill_diagonal(whole, 0)
    return np.maximum(whole, 0)


def looped(cosines_R: np.ndarray, labels: list[list[int]], power: float) -> dict[int, float]:
    nearest = [place for place in np.lexsort((np.arange(len(cosines_R)), -cosines_R.round(6)))[:K] if cosines_R[place]]
    votes: dict[int, float] = {}
    for place in nearest:
        for label in labels[place]:
            votes[label] = votes.get(label, 0) + cosines_R[place] ** power / sum(cosines_R[nearest] ** power)
    return votes


@pytest.mark.parametrize("world_size", [1, 2])
def test_labels_of_the_nearest_training_records_vote(
    on_ranks: OnRanks, tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path, world_size: int
) -> None:
    parts: list[Asked] = on_ranks(build_and_ask, world_size, tiny_dataset, tiny_encoder, tmp_path / "index")
    assert [part.progress for part in parts] == [(160 // world_size, 160 // world_size)] * world_size
    model, table = tiny_model(tiny_dataset, tiny_encoder), read(tiny_dataset, TRAIN)
    for kind, power in (("dense", 8), ("sparse", 2)):
        whole = cosines(kind, model, table)
        answers = [
            {label: score for label, score in zip(ids, scores, strict=True) if label >= 0}
            for part in parts
            for ids, scores in zip(part.ids[kind], part.scores[kind], strict=True)
        ]
        assert len(answers) == 100
        wrong = 0
        for votes, cosines_R in zip(answers, whole, strict=False):
            wanted = looped(cosines_R, table["labels"].to_pylist(), power)
            if tied(cosines_R):
                continue
            wrong += votes.keys() != wanted.keys()
            # Eighth powers of cosines of bf16 keys, of which a few are rounded to the other neighbour.
            assert [votes.get(label, 0) for label in wanted] == pytest.approx(list(wanted.values()), abs=2e-3)
        assert wrong == 0


def tied(cosines_R: np.ndarray) -> bool:
    """Tell whether rounding decides who is among the nearest."""
    best = np.sort(cosines_R)[::-1]
    return bool(0 < best[K - 1] - best[K] < 1e-3)


def test_a_training_record_never_finds_itself(tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    model, table = tiny_model(tiny_dataset, tiny_encoder), read(tiny_dataset, TRAIN)
    build_index(model, Dataset.open(tiny_dataset), settings(), tmp_path / "index")
    index = NeighbourIndex.load(tmp_path / "index", fingerprint(model), model.vocabulary)
    own = index.positions(table["id"].to_pylist())
    assert own[:, 0].tolist() == list(range(160))
    questions: tuple[tuple[Any, Any], ...] = (
        ("dense", encode_queries(model, table)),
        ("sparse", table["text"].to_pylist()),
    )
    for kind, asked in questions:
        assert not (index.find(kind, asked, exclude_BX=own).positions_BK == own).any()
        found = index.find(kind, asked)  # not told who asks, it finds many a record itself
        assert (found.positions_BK == own).any(dim=1).float().mean() > 0.5
    assert index.positions(["nobody", "7"]).tolist() == [[-1], index.positions(["7"])[0].tolist()]


def test_a_bound_chooses_the_same_records_on_any_number_of_ranks(
    on_ranks: OnRanks, tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    chosen = choose_records(160, 50)
    ids = [name for place, name in enumerate(read(tiny_dataset, TRAIN)["id"].to_pylist()) if place in chosen]
    assert len(ids) == 50
    for world_size in (1, 3):
        on_ranks(build_bounded, world_size, tiny_dataset, tiny_encoder, tmp_path / str(world_size))
        files = IndexFolder(tmp_path / str(world_size))
        meta = IndexMeta.read(files.path)
        assert files.rows(meta)["id"].to_pylist() == ids
        assert (meta.records, meta.limit, meta.step, len(meta.blocks)) == (50, 50, STEP, world_size)
        assert files.num_bytes() == sum(path.stat().st_size for path in files.path.iterdir())


def build_bounded(ranks: Ranks, dataset: Path, encoder: Path, folder: Path) -> None:
    build_index(tiny_model(dataset, encoder, ranks), Dataset.open(dataset), settings(records=50), folder, ranks)


def test_half_of_the_records_are_half_of_all_that_are_chosen() -> None:
    more, fewer = (set(choose_records(1000, most).tolist()) for most in (400, 200))
    assert fewer < more
    assert choose_records(1000, 0).tolist() == choose_records(1000, 2000).tolist() == list(range(1000))


def load_whole(dataset: Path, encoder: Path, folder: Path, ranks: Ranks = ONE_RANK) -> NeighbourIndex:
    model = tiny_model(dataset, encoder, ranks)
    return NeighbourIndex.load(folder, fingerprint(model), model.vocabulary, ranks)


def keys_of(index: NeighbourIndex) -> tuple[Tensor, np.ndarray]:
    dense, sparse = index.keys["dense"], index.keys["sparse"]
    return dense.keys_RE.float(), sparse.keys_RV.toarray()  # pyright: ignore[reportAttributeAccessIssue]


def test_an_index_of_two_ranks_is_read_by_one_and_by_three(
    on_ranks: OnRanks, tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    on_ranks(build_and_ask, 2, tiny_dataset, tiny_encoder, tmp_path / "two")
    on_ranks(build_and_ask, 1, tiny_dataset, tiny_encoder, tmp_path / "one")
    two, one = (load_whole(tiny_dataset, tiny_encoder, tmp_path / name) for name in ("two", "one"))
    # bf16: fp32 sums in another order may be rounded to the next number.
    torch.testing.assert_close(keys_of(two)[0], keys_of(one)[0], rtol=0, atol=2**-8)
    assert np.array_equal(keys_of(two)[1], keys_of(one)[1])
    parts = [load_whole(tiny_dataset, tiny_encoder, tmp_path / "two", Ranks(rank, 3)) for rank in range(3)]
    assert torch.equal(torch.cat([keys_of(part)[0] for part in parts]), keys_of(two)[0])
    assert np.array_equal(np.concatenate([keys_of(part)[1] for part in parts]), keys_of(two)[1])
    assert torch.cat([part.labels.values for part in parts]).tolist() == two.labels.values.tolist()


@pytest.mark.parametrize("keys", [("dense",), ("sparse",)])
def test_one_kind_of_keys_is_kept_alone(
    tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path, keys: tuple[str, ...]
) -> None:
    model = tiny_model(tiny_dataset, tiny_encoder)
    meta = build_index(model, Dataset.open(tiny_dataset), settings(keys=keys), tmp_path / "index")
    names = {path.name.split("-")[0] for path in (tmp_path / "index").iterdir()}
    assert names == {"meta.json", "statistics", "records", *keys}
    index = NeighbourIndex.load(tmp_path / "index", fingerprint(model), model.vocabulary)
    other = "sparse" if keys == ("dense",) else "dense"
    with pytest.raises(ConfigError, match=f"this index has no {other} keys, but {keys[0]}: build it again with"):
        index.vote(other, ["topic 10"])
    assert meta.width == (20 if keys == ("dense",) else 0)


def test_dense_keys_of_a_model_without_a_scan_are_refused(
    tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    model = tiny_model(tiny_dataset, tiny_encoder, cloze={"slots": "all"})
    with pytest.raises(ConfigError, match=r"nothing is scanned: use neighbours.keys = \['sparse'\]"):
        build_index(model, Dataset.open(tiny_dataset), settings(), tmp_path / "index")
    build_index(model, Dataset.open(tiny_dataset), settings(keys=("sparse",)), tmp_path / "index")


def test_texts_and_titles_that_stand_in_the_index_are_counted(
    tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    model, table = tiny_model(tiny_dataset, tiny_encoder), read(tiny_dataset, TRAIN)
    build_index(model, Dataset.open(tiny_dataset), settings(), tmp_path / "index")
    index = NeighbourIndex.load(tmp_path / "index", fingerprint(model), model.vocabulary)
    text = max(table["text"].to_pylist(), key=len)
    asked = [text, f"  {text.upper()} ".replace(" ", " \t"), f"{text}. And more", f"{text}\nmore", f"{text} more", ""]
    assert index.num_duplicates(asked) == (2, 4)
    assert index.num_duplicates([]) == (0, 0)
    said = [each for each in table["text"].to_pylist() if each]
    assert index.num_duplicates(table["text"].to_pylist()) == (len(said), len(said))


def test_a_title_is_the_first_line_up_to_its_first_full_stop() -> None:
    title = text_hash("On labels 2.0")
    for text in ("on  labels 2.0", "On labels 2.0. A study. Of them", " \nOn labels 2.0\nA study", "On labels 2.0. "):
        assert title_hash(text) == title
    assert title_hash("On labels 2.0.A study") != title
