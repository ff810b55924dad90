"""Label rows from texts against transformers used plainly, one text at a time."""

from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor
from transformers import AutoModel

from sharding import TextTokenizer
from trainer.config import ModelSection
from trainer.labels import LabelTable, RowRange, create_table
from trainer.labels.text_init import NORM, LabelTexts, start_rows, text_projection
from trainer.model import load_encoder

TEXTS = ["cats and dogs", None, "", "a much longer text about a topic that nobody knows", "dogs", None, "birds " * 30]
WORDED = [label for label, text in enumerate(TEXTS) if text is not None]
WIDTH, TOKENS = 32, 12

Pooling = Literal["mean", "first"]


def label_texts(
    encoder: Path,
    tokenizer: Path,
    pooling: Pooling = "mean",
    cache: Path | None = None,
    texts: list[str | None] = TEXTS,
) -> LabelTexts:
    model = load_encoder(ModelSection(encoder=encoder)).eval()
    return LabelTexts(model, pooling, TextTokenizer.from_folder(tokenizer), pa.array(texts, pa.string()), TOKENS, cache)


def table(rows: RowRange, width: int = WIDTH) -> LabelTable:
    return create_table(np.ones(len(TEXTS)), 10, width, 0, rows)


def started(texts: LabelTexts, rows: RowRange, width: int = WIDTH, repeats: int = 1) -> Tensor:
    new = table(rows, width * repeats)
    start_rows(new, texts, text_projection(texts.mean_D, width, 5), lambda *_: None)
    return new.vectors_RE


def plainly(encoder: Path, tokenizer: Path, pooling: Pooling) -> Tensor:
    """Pool each text by itself: [labels with a text, D]."""
    model, words = AutoModel.from_pretrained(encoder).eval(), TextTokenizer.from_folder(tokenizer)
    pooled = []
    for label in WORDED:
        tokens = [*words.spec.prefix, *words.encode_batch([TEXTS[label] or ""], TOKENS - 2)[0], *words.spec.suffix]
        with torch.no_grad():
            hidden_TD = model(torch.tensor([tokens])).last_hidden_state[0]
        pooled.append(hidden_TD[0] if pooling == "first" else hidden_TD.mean(dim=0))
    return torch.stack(pooled)


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_a_row_is_its_text_seen_from_the_mean(tiny_encoder: Path, tokenizer_folder: Path, pooling: Pooling) -> None:
    rows_RE = started(label_texts(tiny_encoder, tokenizer_folder, pooling), RowRange(0, len(TEXTS)))
    pooled_ND = plainly(tiny_encoder, tokenizer_folder, pooling)
    wanted_ND = pooled_ND - pooled_ND.mean(dim=0)
    wanted_ND *= NORM / wanted_ND.norm(dim=1, keepdim=True)
    torch.testing.assert_close(rows_RE[WORDED], wanted_ND, rtol=0, atol=1e-5)  # fp32, batches of another length
    without = [1, 5]
    assert torch.equal(rows_RE[without], table(RowRange(0, len(TEXTS))).vectors_RE[without])


def test_another_width_keeps_what_is_near_near(tiny_encoder: Path, tokenizer_folder: Path) -> None:
    texts = label_texts(tiny_encoder, tokenizer_folder)
    project = text_projection(texts.mean_D, 8, 5)
    new = table(RowRange(0, len(TEXTS)), 8)
    start_rows(new, texts, project, lambda *_: None)
    scores_NN = project(plainly(tiny_encoder, tokenizer_folder, "mean")) @ new.vectors_RE[WORDED].T
    assert scores_NN.argmax(dim=1).tolist() == list(range(len(WORDED)))  # each text finds its own label


def test_a_vector_of_start_and_end_holds_the_text_twice(tiny_encoder: Path, tokenizer_folder: Path) -> None:
    rows_RE = started(label_texts(tiny_encoder, tokenizer_folder), RowRange(0, len(TEXTS)), repeats=2)
    assert torch.equal(rows_RE[WORDED, :WIDTH], rows_RE[WORDED, WIDTH:])


def test_rows_are_the_same_bits_on_any_number_of_ranks(tiny_encoder: Path, tokenizer_folder: Path) -> None:
    texts = label_texts(tiny_encoder, tokenizer_folder)
    whole = started(texts, RowRange(0, len(TEXTS)))
    for world_size in (2, 3):
        parts = [started(texts, RowRange.of_rank(len(TEXTS), rank, world_size)) for rank in range(world_size)]
        assert torch.equal(torch.cat(parts), whole)


def test_encoded_texts_are_kept_for_those_who_would_encode_the_same(
    tiny_encoder: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    first = started(label_texts(tiny_encoder, tokenizer_folder, cache=tmp_path), RowRange(0, len(TEXTS)))
    (kept,) = tmp_path.iterdir()
    before = kept.stat().st_mtime_ns
    again = started(label_texts(tiny_encoder, tokenizer_folder, cache=tmp_path), RowRange(0, len(TEXTS)))
    assert torch.equal(first, again)
    assert kept.stat().st_mtime_ns == before
    others = [*TEXTS[:-1], "fish"]
    started(label_texts(tiny_encoder, tokenizer_folder, cache=tmp_path, texts=others), RowRange(0, len(TEXTS)))
    started(label_texts(tiny_encoder, tokenizer_folder, "first", cache=tmp_path), RowRange(0, len(TEXTS)))
    assert len(list(tmp_path.iterdir())) == 3


def test_the_rotation_between_two_widths_follows_from_the_seed_alone() -> None:
    mean_D = torch.linspace(-1, 1, WIDTH)
    torch.manual_seed(0)
    first = text_projection(mean_D, 8, 5)
    torch.manual_seed(1)
    again, other = text_projection(mean_D, 8, 5), text_projection(mean_D, 8, 6)
    assert torch.equal(first.weight, again.weight)
    assert torch.equal(first.bias, again.bias)
    assert not torch.allclose(first.weight, other.weight)
    gain = WIDTH / 8
    torch.testing.assert_close(first.weight @ first.weight.T, gain * torch.eye(8), rtol=0, atol=1e-5)  # fp32
