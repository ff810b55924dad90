"""Plan label chunks for a data set: labels that occur together in a split share a chunk."""

from functools import partial

from ..labels import ChunkPlan, label_features
from ..layout.manifest import TOKENIZER_FOLDER
from ..tokenizing import TextTokenizer
from .dataset import Dataset


def plan_chunks(dataset: Dataset, split: str, size: int) -> ChunkPlan:
    """Let labels that occur together in a split share a chunk: a pure function of the data set, the split and the size.

    A label without a text has its name for one.

    Args:
        dataset: The data set whose labels are planned.
        split: The split whose records are read.
        size: Labels of a chunk.

    Raises:
        CorruptShardError: A shard has a label or token out of range.
    """
    names, texts = dataset.vocabulary.names.to_pylist(), dataset.vocabulary.texts.to_pylist()
    tokenizer = TextTokenizer.from_folder(dataset.path / TOKENIZER_FOLDER)
    own_tokens = tokenizer.encode_batch(
        [text or name for name, text in zip(names, texts, strict=True)], dataset.manifest.max_tokens
    )
    shards = partial(dataset.split(split).shards, ("tokens", "labels"))
    return ChunkPlan.by_likeness(label_features(shards, own_tokens, tokenizer.spec.vocabulary_size), size)
