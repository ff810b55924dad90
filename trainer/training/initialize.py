"""Initialize a new run: label rows at random, from texts, or from another run, and the query that must find them."""

import re
from pathlib import Path

import pyarrow as pa
import torch
from torch import nn

from sharding import TRAIN, DataError, Dataset, TextTokenizer, Vocabulary

from ..checkpoint import checkpoints_of, load_parameters, load_rows
from ..config import Config
from ..distributed import Ranks
from ..errors import CheckpointError, ConfigError
from ..labels import LabelTable, RowRange, check_memory, new_table
from ..labels.text_init import LabelTexts, Progress, rows_of, start_rows, text_projection
from ..model import LabelMaskModel, Model, TextEncoder
from ..run.folder import RunFolder

_BLOCK = 65_536  # rows of the other run that are read at a time


def build_table(config: Config, dataset: Dataset, ranks: Ranks, encoder_width: int) -> LabelTable:
    """Make this rank's label rows, at random. A collective.

    Raises:
        ConfigError: They would not fit into memory.
        DataError: A scan would learn from none of them.
    """
    if config.cloze.scans and not dataset.vocabulary.counts.any():
        raise DataError(
            f"{dataset.path}: none of its {len(dataset.vocabulary):,} labels has a training record, so the scan has "
            "nothing to learn: convert a corpus whose records of the split 'train' have labels"
        )
    check_memory(config, len(dataset.vocabulary), encoder_width, ranks, learning=True)
    rows = RowRange.of_rank(len(dataset.vocabulary), ranks.rank, ranks.world_size)
    records = dataset.split(TRAIN).num_records
    return new_table(config, dataset.vocabulary.counts, records, encoder_width, rows)


def initialize(config: Config, dataset: Dataset, model: Model, table: LabelTable, progress: Progress) -> None:
    """Initialize rows, and the query that must find them, as the configuration asks: from texts, or from another run.

    The model must still be whole: an engine may cut its parameters up. The scan leaves the rows of untrained labels as
    they are made here.
    """
    vocabulary = dataset.vocabulary
    texts = init_texts(config, vocabulary)
    if texts.null_count < len(texts):
        _check_rotation(config, model.encoder.width)
        _init_from_texts(config, TextTokenizer.from_folder(dataset.path / "tokenizer"), texts, model, table, progress)
    if config.run.init_from is not None:
        _init_from_run(config.run.init_from, model, table, vocabulary)


def init_texts(config: Config, vocabulary: Vocabulary) -> pa.StringArray:
    """Return the texts [L] whose embeddings rows begin as; null where a row begins at random."""
    match config.labels.init:
        case "random":
            return pa.nulls(len(vocabulary), pa.string())
        case "text":
            return vocabulary.texts
        case "name":
            words = [re.sub(r"[_:./-]+", " ", name) for name in vocabulary.names.to_pylist()]
            return pa.array([text or word for text, word in zip(vocabulary.texts.to_pylist(), words, strict=True)])


def read_texts(config: Config, encoder: TextEncoder, tokenizer: TextTokenizer, texts: pa.StringArray) -> LabelTexts:
    """Return the texts of labels as an untrained encoder embeds them in a new run."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return LabelTexts(
        encoder=encoder.to(device).eval(),
        pooling=config.model.pooling,
        tokenizer=tokenizer,
        texts=texts,
        max_tokens=min(config.model.max_tokens, encoder.positions),
        cache=config.labels.text_cache,
    )


def project_texts(config: Config, texts: LabelTexts) -> nn.Linear:
    """Make the projection of a new run whose labels have these texts."""
    return text_projection(texts.mean_D, config.model.label_width or texts.encoder.width, config.run.seed)


def _check_rotation(config: Config, encoder_width: int) -> None:
    """Refuse to turn texts of new labels otherwise than those of the run that this one begins from."""
    path, width = config.run.init_from, config.model.label_width or encoder_width
    if path is None or width == encoder_width:
        return
    if (seed := RunFolder(path).config().run.seed) != config.run.seed:
        raise ConfigError(
            f"run.seed = {config.run.seed}: {path} began with {seed}, which turned texts of {encoder_width} numbers "
            f"into rows of model.label_width = {width}; new labels must be turned alike: set run.seed = {seed}"
        )


def _init_from_texts(
    config: Config,
    tokenizer: TextTokenizer,
    label_texts: pa.StringArray,
    model: Model,
    table: LabelTable,
    progress: Progress,
) -> None:
    texts = read_texts(config, model.encoder, tokenizer, label_texts)
    project = project_texts(config, texts)
    start_rows(table, texts, project, progress)
    if isinstance(model, LabelMaskModel) and model.query is not None:
        model.query.project.load_state_dict(project.state_dict())
    if isinstance(model, LabelMaskModel) and model.context is not None:
        words_NI, mask_id = texts.sample_words_NI(), tokenizer.spec.mask_id
        model.context.start(
            rows_of(texts.sample_ND, project), words_NI, model.encoder.word_embeddings.weight[mask_id].detach()
        )
    model.train()


def _init_from_run(path: Path, model: Model, table: LabelTable, vocabulary: Vocabulary) -> None:
    """Take over the parameters of a trained run and the rows of labels of the same name; the others stay new."""
    folder = RunFolder(path)
    known = folder.vocabulary().ids if folder.labels.is_file() else {}
    store = checkpoints_of(folder)
    checkpoint = store.newest()
    if checkpoint is None:
        raise CheckpointError(f"run.init_from = {path}: there is no checkpoint")
    _take_parameters(checkpoint, model, path)
    names = vocabulary.names[table.range.as_slice()].to_pylist()
    theirs_R = torch.tensor([known.get(name, -1) for name in names], dtype=torch.long)
    for block in RowRange(0, len(known)).chunks(_BLOCK):
        (ours_N,) = ((theirs_R >= block.start) & (theirs_R < block.stop)).nonzero(as_tuple=True)
        for name, tensor in (("vectors", table.vectors_RE), ("biases", table.biases_R2)):
            tensor[ours_N] = load_rows(checkpoint, name, block)[theirs_R[ours_N] - block.start].to(tensor)
    store.release()


def _take_parameters(checkpoint: Path, model: Model, path: Path) -> None:
    theirs = load_parameters(checkpoint)
    for name, parameter in model.named_parameters():
        if name not in theirs or theirs[name].shape != parameter.shape:
            there = f"of shape {list(theirs[name].shape)}" if name in theirs else "missing"
            raise ConfigError(
                f"run.init_from = {path}: {name} is {there} there and of shape {list(parameter.shape)} here: "
                "use the encoder, label_width and heads of that run"
            )
        parameter.data.copy_(theirs[name])
