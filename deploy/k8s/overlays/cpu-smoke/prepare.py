"""Makes what a first run needs: texts that name their labels, and a random encoder that is small enough for CPUs."""

import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

NUM_LABELS = 40
RECORDS = 400
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def records() -> Iterator[dict[str, object]]:
    """Draw labels, and let the text name most of them; every fifth record is for looking at, not for training."""
    draw = random.Random(0)  # noqa: S311  # texts, not secrets
    for number in range(RECORDS):
        labels = sorted({int(draw.random() ** 2 * NUM_LABELS) for _ in range(1 + number % 5)})
        text = " and ".join(f"topic {label}" for label in labels if draw.random() < 0.9)
        split = "dev" if number % 5 == 0 else "train"
        yield {"id": str(number), "split": split, "text": text, "labels": [f"label {label}" for label in labels]}


def write_encoder(folder: Path) -> None:
    """Save a tokenizer that knows the words of the texts, and a BERT of two layers, 32 wide."""
    import torch  # noqa: PLC0415  # takes seconds, and is not needed where all is there
    from tokenizers import Tokenizer, models, pre_tokenizers, processors  # noqa: PLC0415
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast  # noqa: PLC0415

    words = [*SPECIAL, "topic", "and", *map(str, range(NUM_LABELS))]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{f"{word[1:-1].lower()}_token": word for word in SPECIAL}
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)


def main() -> None:
    """Do nothing where the corpus is there already: it is written last."""
    folder = Path(sys.argv[1])
    corpus = folder / "corpus.jsonl"
    if corpus.is_file():
        return
    write_encoder(folder / "encoder")
    temporary = corpus.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(corpus)


if __name__ == "__main__":
    main()
