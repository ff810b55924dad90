"""Initial label rows from label texts: each is the untrained encoder's embedding of the text.

Texts and queries then begin in one space, so that a label without a training record is found by what its text says.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import torch
import xxhash
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import normalize

from sharding import TextTokenizer, hash64, publish

from ..data import pad_texts
from ..model import TextEncoder, encoder_config, pool
from . import LabelTable, RowRange

NORM = 1.0  # of a row; MiniLM's queries are some 4 long, so a label gains up to 4 on its prior
_BLOCK = 8192  # labels that are kept together
_BATCH = 64
_SAMPLE = 4096  # texts that the mean is taken of
_PURPOSE = 4

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class LabelTexts:
    """Encodes texts of labels a block at a time; what a text becomes does not depend on the world size.

    Attributes:
        encoder: As it was before training.
        pooling: How hidden states become one vector.
        tokenizer: Tokenizer of the data set.
        texts: string [L], null where a label has none.
        max_tokens: Tokens of a text, special tokens counted.
        cache: A folder that keeps blocks by what they are made of; None: nothing is kept.
    """

    encoder: TextEncoder
    pooling: Literal["mean", "first"]
    tokenizer: TextTokenizer
    texts: pa.StringArray
    max_tokens: int
    cache: Path | None = None

    @cached_property
    def ids(self) -> np.ndarray:
        """Ids of the labels that have a text, ascending."""
        return np.flatnonzero(self.texts.is_valid().to_numpy(zero_copy_only=False))

    @cached_property
    def sample(self) -> np.ndarray:
        """Ids of a sample of the labels that have a text, of bounded size, spread over all labels."""
        places = np.unique(np.linspace(0, len(self.ids) - 1, min(_SAMPLE, len(self.ids))).astype(np.int64))
        return self.ids[places]

    @cached_property
    def sample_ND(self) -> Tensor:
        """The pooled texts of the sample."""
        return self._encode(self.sample)

    @cached_property
    def mean_D(self) -> Tensor:
        """The mean of the sample's pooled texts."""
        return self.sample_ND.mean(dim=0)

    @torch.no_grad()
    def sample_words_NI(self) -> Tensor:
        """Average the word embeddings of the texts of the sample, special tokens left out: [N, I]."""
        weight_VI = self.encoder.word_embeddings.weight.cpu()
        texts = self._tokens(self.sample)
        empty_1I = weight_VI.mean(dim=0, keepdim=True)  # of a text without a token
        return torch.stack([(weight_VI[tokens] if tokens else empty_1I).mean(dim=0) for tokens in texts])

    def blocks(self, rows: RowRange) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yield (ids [n], pooled texts [n, D]) of the labels of a range that have a text."""
        for block in RowRange(rows.start // _BLOCK * _BLOCK, rows.stop).chunks(_BLOCK):
            whole = RowRange(block.start, min(block.start + _BLOCK, len(self.texts)))
            ids = self.ids[np.searchsorted(self.ids, whole.start) : np.searchsorted(self.ids, whole.stop)]
            own = (ids >= rows.start) & (ids < rows.stop)
            if own.any():
                yield ids[own], self._kept(ids)[torch.from_numpy(own)]

    def _kept(self, ids: np.ndarray) -> Tensor:
        if self.cache is None:
            return self._encode(ids)
        path = self.cache / f"label-texts-{self._key(ids)}.safetensors"
        if not path.exists():
            with publish(path) as temporary:
                save_file({"pooled": self._encode(ids)}, temporary)
        return load_file(path)["pooled"]

    def _key(self, ids: np.ndarray) -> str:
        digest = self._origin.copy()
        for text in self.texts.take(pa.array(ids)).to_pylist():
            digest.update(f"{len(text)} {text}".encode())
        return digest.hexdigest()

    @cached_property
    def _origin(self) -> xxhash.xxh3_128:
        digest = xxhash.xxh3_128(f"{self.tokenizer.spec.sha256} {self.pooling} {self.max_tokens}".encode())
        digest.update(encoder_config(self.encoder).encode())
        for name, tensor in self.encoder.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().view(torch.uint8).numpy().data)
        return digest

    @torch.no_grad()
    def _encode(self, ids: np.ndarray) -> Tensor:
        """Pool the texts of labels [n, D], those of like length together."""
        tokens = self._tokens(ids)
        order = np.argsort([len(text) for text in tokens], kind="stable")
        pooled_ND = torch.empty(len(ids), self.encoder.width)
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            pooled_ND[torch.from_numpy(chosen)] = self._read([tokens[place] for place in chosen])
        return pooled_ND

    def _tokens(self, ids: np.ndarray) -> list[list[int]]:
        room = self.max_tokens - len(self.tokenizer.spec.prefix) - len(self.tokenizer.spec.suffix)
        return self.tokenizer.encode_batch(self.texts.take(pa.array(ids)).to_pylist(), room)

    def _read(self, tokens: list[list[int]]) -> Tensor:
        offsets = np.append(0, np.cumsum([len(text) for text in tokens]))
        flat = np.array([token for text in tokens for token in text], dtype=np.int64)
        ids_BT, mask_BT, _ = pad_texts(flat, offsets, self.tokenizer.spec, self.max_tokens)
        device = self.encoder.word_embeddings.weight.device
        mask_BT = torch.from_numpy(mask_BT).to(device)
        hidden_BTD, _ = self.encoder.read(torch.from_numpy(ids_BT).to(device), mask_BT)
        return pool(hidden_BTD, mask_BT, self.pooling).cpu()


def start_rows(table: LabelTable, texts: LabelTexts, project: nn.Linear, progress: Progress) -> None:
    """Overwrite the vectors of labels that have a text: its embedding relative to the mean, projected, of length NORM.

    Args:
        table: This rank's rows.
        texts: Encodes the texts.
        project: From D to E, with a bias that takes the mean off; a vector that is wider repeats what it gives.
        progress: Called while texts are encoded.
    """
    done = 0
    for ids, pooled_ND in texts.blocks(table.range):
        vectors_NE = rows_of(pooled_ND, project)
        repeated = vectors_NE.repeat(1, table.vectors_RE.shape[1] // vectors_NE.shape[1])
        table.vectors_RE[torch.from_numpy(ids) - table.range.start] = repeated.to(table.vectors_RE)
        done += len(ids)
        progress(done, int(np.count_nonzero((texts.ids >= table.range.start) & (texts.ids < table.range.stop))))


def rows_of(pooled_ND: Tensor, project: nn.Linear) -> Tensor:
    """Turn pooled texts into rows [N, E] of length NORM."""
    return normalize(project(pooled_ND), dim=1) * NORM


def text_projection(mean_D: Tensor, label_width: int, seed: int) -> nn.Linear:
    """Make the projection that rows and queries share: the identity or, between two widths, a random rotation.

    The same seed gives the same rotation at any time: labels that are added later must be turned as the others were.

    Args:
        mean_D: Mean of the pooled texts, which the bias takes off.
        label_width: E.
        seed: Seed of the rotation.
    """
    project = nn.Linear(len(mean_D), label_width)
    if label_width == len(mean_D):
        nn.init.eye_(project.weight)
    else:
        generator = torch.Generator().manual_seed(int(hash64(_PURPOSE, seed)))
        gain = max(1.0, len(mean_D) / label_width) ** 0.5
        nn.init.orthogonal_(project.weight, gain=gain, generator=generator)
    with torch.no_grad():
        project.bias.copy_(-project.weight @ mean_D)
    return project.requires_grad_(False)
