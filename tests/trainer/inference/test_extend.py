"""Labels that are added to a run: their rows are those that they would have begun with, and nothing else moves."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sharding import ChunkPlan, DataError, Dataset, Record, StreamState, convert
from tests.trainer.components import Components, tiny_config
from trainer.checkpoint import CheckpointFolder, CheckpointMeta, CheckpointStore, load_rows
from trainer.config import Config
from trainer.distributed import ONE_RANK, Ranks
from trainer.errors import CheckpointError, ConfigError
from trainer.inference.extend import Extension, extend
from trainer.inference.loading import TrainedModel
from trainer.inference.predict import predict
from trainer.labels import RowRange, slot_plan
from trainer.model import encoder_config
from trainer.run.folder import RunFolder
from trainer.training.components import build_model, build_optimizer
from trainer.training.initialize import build_table, initialize

pytestmark = pytest.mark.ranks

TEXTS = {
    "cook": "how to cook a meal for many guests",
    "sail": "a sailing boat on a stormy sea",
    "tax": "declaration of income for the tax office",
    "knee": "surgery of the knee joint",
    "bees": "keeping bees and harvesting honey",
    "chess": "openings of a game of chess",
    "rocket": "rocket engines and flights to the moon",
    "piano": "lessons for piano beginners",
    "garden": "vegetables that grow in a small garden",
    "law": "criminal law and the rights of the accused",
}
ADDED = {
    "snow": "how to drive a car on snow and ice",
    "bread": "baking bread with sourdough",
    "cat": "why my cat does not eat",
    "violin": "tuning a violin",
    "quake": "houses that withstand an earthquake",
    "wine": "which wine goes with fish",
    "flu": "fever and cough in winter",
    "sheep": "shearing sheep in spring",
    "train": "a railway journey through the mountains",
    "paint": "oil painting of a landscape",
}
COPIES = {f"copy of {name}": text for name, text in TEXTS.items()}

OnRanks = Callable[..., list[Any]]


def quiet(*_: int) -> None:
    pass


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Path:
    """Ten labels with texts, and three training records of each."""
    folder = tmp_path_factory.mktemp("texts")
    records = [
        {"id": f"{name} {number}", "text": f"{text} {number}", "labels": [name], "split": "train" if number else "dev"}
        for name, text in TEXTS.items()
        for number in range(4)
    ]
    (folder / "texts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "labels.tsv").write_text("".join(f"{name}\t{text}\n" for name, text in TEXTS.items()))
    convert(folder / "texts.jsonl", folder / "shards", tokenizer_folder, label_texts=folder / "labels.tsv")
    return folder / "shards"


def train_and_save(ranks: Ranks, config: Config, steps: int) -> None:
    parts = Components.build(config, ranks, build_optimizer)
    parts.train(steps)
    folder, dataset = RunFolder(config.run.folder), Dataset.open(config.data.dataset)
    if ranks.is_first:
        folder.create(config, dataset, encoder_config(build_model(config).encoder), slot_plan(config, dataset))
    guards = parts.loader.stream.guards
    meta = CheckpointMeta(steps, ranks.world_size, StreamState(), guards, config.model_dump(mode="json"))
    CheckpointStore(CheckpointFolder(folder.checkpoints), ranks).save(meta, parts.state.files())


def trained(on_ranks: OnRanks, config: Config, steps: int = 2, world_size: int = 2) -> RunFolder:
    on_ranks(train_and_save, world_size, config, steps)
    return RunFolder(config.run.folder)


def rows_of(folder: Path, rows: RowRange, *names: str) -> Tensor:
    checkpoint = CheckpointStore(CheckpointFolder(RunFolder(folder).checkpoints)).newest()
    assert checkpoint is not None
    return torch.cat([load_rows(checkpoint, name, rows).float() for name in names], dim=1)


def begun_with(config: Config) -> Tensor:
    """Make the vectors that training began with."""
    model, dataset = build_model(config), Dataset.open(config.data.dataset)
    table = build_table(config, dataset, ONE_RANK, model.encoder.width)
    initialize(config, dataset, model, table, quiet)
    return table.vectors_RE.float()


def in_order_of(vocabulary_of: Path, texts: dict[str, str]) -> dict[str, str]:
    """Put copies in the order of the labels that they are copies of, so that they are read in the same batches."""
    names = Dataset.open(vocabulary_of).vocabulary.names.to_pylist()
    return {f"copy of {name}": texts[f"copy of {name}"] for name in names}


@pytest.mark.parametrize(
    "sections",
    [
        pytest.param({"model": {"label_width": None}}, id="as wide as the encoder"),
        pytest.param({}, id="narrower, so rotated"),
        pytest.param({"labels": {"precision": "bf16", "optimizer": "rowwise_adagrad"}}, id="bf16"),
        pytest.param(
            {"cloze": {"slots": "all", "attention": "joint", "label_tokens": 3, "shortlist": 8}}, id="start and end"
        ),
    ],
)
def test_a_text_gets_the_row_that_training_began_with(
    on_ranks: OnRanks, dataset: Path, tiny_encoder: Path, tmp_path: Path, sections: dict[str, dict[str, Any]]
) -> None:
    config = tiny_config(dataset, tiny_encoder, tmp_path / "run", **sections)
    run = trained(on_ranks, config)
    found = extend(run, in_order_of(dataset, COPIES), tmp_path / "out", None, quiet)
    assert found == Extension(10, 20, from_texts=10)
    new, old = RowRange(10, 20), RowRange(0, 10)
    assert torch.equal(rows_of(tmp_path / "out", new, "vectors"), begun_with(config))
    assert torch.equal(rows_of(tmp_path / "out", old, "vectors", "biases"), rows_of(run.path, old, "vectors", "biases"))
    assert not torch.equal(rows_of(run.path, old, "vectors"), begun_with(config)), "nothing was trained"
    prior = np.log(0.5 / 31) - np.log1p(-0.5 / 31)  # of a label that none of 30 records has
    assert rows_of(tmp_path / "out", new, "biases").amin().item() == pytest.approx(prior)


def test_the_optimiser_has_seen_nothing_of_new_rows(
    on_ranks: OnRanks, dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    config = tiny_config(dataset, tiny_encoder, tmp_path / "run", labels={"optimizer": "adam"})
    run = trained(on_ranks, config)
    extend(run, COPIES, tmp_path / "out", None, quiet)
    state = ("exp_avg", "exp_avg_sq", "bias_exp_avg", "bias_exp_avg_sq")
    assert not rows_of(tmp_path / "out", RowRange(10, 20), *state).any()
    assert torch.equal(rows_of(tmp_path / "out", RowRange(0, 10), *state), rows_of(run.path, RowRange(0, 10), *state))


def test_labels_added_one_after_the_other_are_those_added_together(
    on_ranks: OnRanks, dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    run = trained(on_ranks, tiny_config(dataset, tiny_encoder, tmp_path / "run"))
    extend(run, ADDED, tmp_path / "together", None, quiet)
    some = dict(list(ADDED.items())[:4])
    extend(run, some, tmp_path / "some", None, quiet)
    rest = {name: text for name, text in ADDED.items() if name not in some}
    found = extend(RunFolder(tmp_path / "some"), rest, tmp_path / "all", None, quiet)
    assert found == Extension(14, 20, from_texts=6)
    together, apart = (rows_of(tmp_path / name, RowRange(0, 20), "vectors", "biases") for name in ("together", "all"))
    torch.testing.assert_close(apart, together, rtol=0, atol=1e-6)  # fp32: texts are padded to other lengths


def test_random_rows_stay_random(on_ranks: OnRanks, dataset: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    config = tiny_config(dataset, tiny_encoder, tmp_path / "run", labels={"init": "random"})
    run = trained(on_ranks, config)
    gone = config.model.model_copy(update={"encoder": tmp_path / "gone"})
    (run.path / "config.json").write_text(config.model_copy(update={"model": gone}).model_dump_json())
    assert extend(run, ADDED, tmp_path / "out", None, quiet) == Extension(10, 20, from_texts=0)
    vectors = rows_of(tmp_path / "out", RowRange(10, 20), "vectors")
    assert 0.01 < float(vectors.std()) < 0.03
    assert RunFolder(tmp_path / "out").vocabulary().texts.to_pylist()[10:] == list(ADDED.values())


def test_a_label_without_a_text_is_random_beside_others(
    on_ranks: OnRanks, dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    run = trained(on_ranks, tiny_config(dataset, tiny_encoder, tmp_path / "run"))
    assert extend(run, {"bare": None, **ADDED}, tmp_path / "out", None, quiet) == Extension(10, 21, from_texts=10)
    lengths = rows_of(tmp_path / "out", RowRange(10, 21), "vectors").norm(dim=1)
    assert float(lengths[0]) < 0.2
    assert lengths[1:].tolist() == pytest.approx([1.0] * 10)


def test_a_plan_of_slots_is_made_longer(on_ranks: OnRanks, dataset: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    config = tiny_config(dataset, tiny_encoder, tmp_path / "run", cloze={"slots": "all", "chunk": 4})
    run = trained(on_ranks, config)
    plan = run.plan()
    assert isinstance(plan, ChunkPlan)
    extend(run, ADDED, tmp_path / "out", None, quiet)
    longer = RunFolder(tmp_path / "out").plan()
    assert longer is not None
    assert longer.order.tolist() == [*plan.order.tolist(), *range(10, 20)]
    assert longer.size == 4


def test_too_many_labels_for_slots_are_refused_and_nothing_is_left(
    on_ranks: OnRanks, dataset: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(on_ranks, tiny_config(dataset, tiny_encoder, tmp_path / "run", cloze={"slots": "all"}))
    monkeypatch.setattr("trainer.labels.candidates.MOST_LABELS", 19)
    with pytest.raises(ConfigError, match=r"^cloze\.slots = 'all': the data set has 20 labels"):
        extend(run, ADDED, tmp_path / "out", None, quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_real_weights_find_new_labels_by_their_texts(
    on_ranks: OnRanks, dataset: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    sections = {"model": {"label_width": None}, "mlm": {"weight": 0}, "cloze": {"enabled": False}}
    config = tiny_config(dataset, tokenizer_folder, tmp_path / "run", **sections)
    run = trained(on_ranks, config, steps=0, world_size=1)
    extend(run, ADDED, tmp_path / "out", None, quiet)
    model = TrainedModel.load(tmp_path / "out")
    every = TEXTS | ADDED
    answers = predict(model, [Record(name, text, ()) for name, text in every.items()], 2)
    assert [answer.labels[0] for answer in answers] == list(every)


def test_the_encoder_can_have_moved_but_not_be_another(
    on_ranks: OnRanks, dataset: Path, tiny_encoder: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    run = trained(on_ranks, tiny_config(dataset, moved, tmp_path / "run"))
    shutil.rmtree(moved)
    with pytest.raises(ConfigError) as caught:
        extend(run, ADDED, tmp_path / "out", None, quiet)
    assert str(caught.value) == (
        f"model.encoder = {moved}: no encoder there; {run.path} began with model.encoder = {moved}, and new labels are "
        "placed by what it makes of their texts: give its folder with --encoder FOLDER"
    )
    with pytest.raises(ConfigError) as caught:
        extend(run, ADDED, tmp_path / "out", tokenizer_folder, quiet)
    assert str(caught.value) == (
        f"--encoder = {tokenizer_folder}: encoder.model.embeddings.word_embeddings.weight is of shape [30522, 384] "
        f"there, and of shape [30522, 32] in {run.path}: give the encoder that this run began with"
    )
    assert not (tmp_path / "out").exists()
    assert extend(run, ADDED, tmp_path / "out", tiny_encoder, quiet).after == 20


def test_what_cannot_be_extended_is_refused(dataset: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    config = tiny_config(dataset, tiny_encoder, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    run.create(config, Dataset.open(dataset), encoder_config(build_model(config).encoder), plan=None)
    with pytest.raises(DataError) as caught:
        extend(run, ADDED | {"bees": "insects", "law": "rules"}, tmp_path / "out", None, quiet)
    assert str(caught.value) == ("label 'bees': is one of the 10 labels already, as are 1 more: give new ones only")
    with pytest.raises(CheckpointError, match="there is no checkpoint yet; train the run first"):
        extend(run, ADDED, tmp_path / "out", None, quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
