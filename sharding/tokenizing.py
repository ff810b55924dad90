"""Tokenization with a Hugging Face fast tokenizer, and the tokenizer's properties that the trainer needs without it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from .errors import DataError
from .storage import sha256

TOKENIZER_FILE = "tokenizer.json"
SETTINGS_FILES = ("special_tokens_map.json", "tokenizer_config.json")

_CUSTOMARY_NAMES = {"mask_token": ("[MASK]", "<mask>"), "pad_token": ("[PAD]", "<pad>")}


@dataclass(frozen=True)
class TokenizerSpec:
    """What a data set stores of its tokenizer.

    Attributes:
        sha256: Checksum of tokenizer.json, 64 hex digits.
        vocabulary_size: Every id is below it.
        prefix: The ids that belong before a text.
        suffix: The ids that belong behind a text.
        mask_id: Id of the mask token.
        pad_id: Id of the padding token.
        special_ids: All ids that no text holds, sorted.
    """

    sha256: str
    vocabulary_size: int
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    mask_id: int
    pad_id: int
    special_ids: tuple[int, ...]


class TextTokenizer:
    """A Hugging Face fast tokenizer whose ids are stored without special tokens."""

    def __init__(self, tokenizer: Tokenizer, spec: TokenizerSpec) -> None:
        self.spec = spec
        self._tokenizer = tokenizer

    @classmethod
    def from_folder(cls, folder: Path) -> "TextTokenizer":
        """Read tokenizer.json and its settings; DataError when it is missing, unreadable or without mask or padding."""
        path = folder / TOKENIZER_FILE
        tokenizer = _load(path)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        # A text that spells out "[MASK]" must not forge one.
        tokenizer.encode_special_tokens = True
        return cls(tokenizer, _spec(tokenizer, path))

    def encode_batch(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Encode each text to at most `max_tokens` ids, special tokens not among them."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids[:max_tokens] for encoding in encodings]

    def spans(self, text: str, max_tokens: int) -> list[tuple[int, int]]:
        """Say for each id of `encode_batch` from which letter to which it was read."""
        return self._tokenizer.encode(text, add_special_tokens=False).offsets[:max_tokens]

    def decode(self, tokens: Sequence[int]) -> str:
        """Turn ids back into a text as people read it, which need not be the one that they came from."""
        return self._tokenizer.decode(list(tokens), skip_special_tokens=False)


def _load(path: Path) -> Tokenizer:
    if not path.is_file():
        raise DataError(f"tokenizer {path}: no such file: name the folder of a Hugging Face fast tokenizer")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise DataError(f"tokenizer {path}: cannot be read: {error}") from error


def _spec(tokenizer: Tokenizer, path: Path) -> TokenizerSpec:
    prefix, suffix = _surroundings(tokenizer)
    named = _named_tokens(path.parent)
    mask_id, pad_id = (_special_id(tokenizer, named, kind, path) for kind in _CUSTOMARY_NAMES)
    added = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    return TokenizerSpec(
        sha256=sha256(path),
        vocabulary_size=max(tokenizer.get_vocab().values()) + 1,
        prefix=prefix,
        suffix=suffix,
        mask_id=mask_id,
        pad_id=pad_id,
        special_ids=tuple(sorted(added | {mask_id, pad_id, *prefix, *suffix})),
    )


def _surroundings(tokenizer: Tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    encoding = tokenizer.encode("a")
    text = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
    return tuple(encoding.ids[: text[0]]), tuple(encoding.ids[text[-1] + 1 :])


def _named_tokens(folder: Path) -> dict[str, Any]:
    files = [folder / name for name in reversed(SETTINGS_FILES)]
    return {kind: token for file in files if file.is_file() for kind, token in json.loads(file.read_bytes()).items()}


def _special_id(tokenizer: Tokenizer, named: dict[str, Any], kind: str, path: Path) -> int:
    token = named.get(kind)
    content = token.get("content") if isinstance(token, dict) else token
    for candidate in (content,) if content else _CUSTOMARY_NAMES[kind]:
        if (number := tokenizer.token_to_id(candidate)) is not None:
            return number
    raise DataError(
        f"tokenizer {path}: has no {kind} ({content or ' or '.join(_CUSTOMARY_NAMES[kind])}): "
        f"name one of its tokens as {kind!r} in {SETTINGS_FILES[0]}"
    )
