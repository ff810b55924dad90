"""The tokenizer of a real encoder, and what may be missing in others."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from sharding import DataError, TextTokenizer

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def edited(tokenizer_folder: Path, tmp_path: Path) -> Callable[[Edit], Path]:
    """Copy the tokenizer without settings files, its tokenizer.json changed."""

    def copy(edit: Edit) -> Path:
        content = json.loads((tokenizer_folder / "tokenizer.json").read_bytes())
        edit(content)
        (tmp_path / "tokenizer.json").write_text(json.dumps(content))
        return tmp_path

    return copy


def rename(old: str, new: str) -> Edit:
    def edit(content: dict[str, Any]) -> None:
        content["model"]["vocab"][new] = content["model"]["vocab"].pop(old)
        for token in content["added_tokens"]:
            token["content"] = new if token["content"] == old else token["content"]

    return edit


def test_the_spec_tells_what_surrounds_a_text_and_what_is_special(tokenizer_folder: Path) -> None:
    spec = TextTokenizer.from_folder(tokenizer_folder).spec
    assert (spec.prefix, spec.suffix) == ((101,), (102,))
    assert (spec.mask_id, spec.pad_id, spec.vocabulary_size) == (103, 0, 30522)
    assert spec.special_ids == (0, 100, 101, 102, 103)


def test_ids_are_the_librarys_without_special_tokens_cut_at_the_limit(tokenizer_folder: Path) -> None:
    texts = ["Cholera due to Vibrio cholerae", "", "long " * 400]
    plain = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    plain.no_truncation()
    plain.no_padding()
    expected = [plain.encode(text).ids[1:-1][:300] for text in texts]
    assert TextTokenizer.from_folder(tokenizer_folder).encode_batch(texts, 300) == expected


def test_a_text_cannot_forge_special_tokens(tokenizer_folder: Path) -> None:
    tokenizer = TextTokenizer.from_folder(tokenizer_folder)
    [ids] = tokenizer.encode_batch(["[CLS] a [MASK] b [SEP] [PAD]"], 100)
    assert not set(ids) & set(tokenizer.spec.special_ids)


def test_special_tokens_are_found_by_their_customary_names(edited: Callable[[Edit], Path]) -> None:
    spec = TextTokenizer.from_folder(edited(rename("[MASK]", "<mask>"))).spec
    assert (spec.mask_id, spec.pad_id) == (103, 0)


@pytest.mark.parametrize("named", ["[BLANK]", {"content": "[BLANK]", "special": True}])
def test_special_tokens_are_found_by_the_settings_files(edited: Callable[[Edit], Path], named: Any) -> None:
    folder = edited(rename("[MASK]", "[BLANK]"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"mask_token": named}))
    assert TextTokenizer.from_folder(folder).spec.mask_id == 103


def test_a_tokenizer_without_mask_is_refused(edited: Callable[[Edit], Path]) -> None:
    with pytest.raises(DataError, match=r"has no mask_token \(\[MASK\] or <mask>\): name one of its tokens"):
        TextTokenizer.from_folder(edited(rename("[MASK]", "[BLANK]")))


def test_the_spec_follows_the_post_processor(edited: Callable[[Edit], Path]) -> None:
    def nothing_around(content: dict[str, Any]) -> None:
        content["post_processor"] = None

    spec = TextTokenizer.from_folder(edited(nothing_around)).spec
    assert (spec.prefix, spec.suffix) == ((), ())


def test_a_missing_or_damaged_tokenizer_is_a_data_error(tmp_path: Path, tokenizer_folder: Path) -> None:
    with pytest.raises(DataError, match=r"tokenizer\.json: no such file"):
        TextTokenizer.from_folder(tmp_path)
    shutil.copyfile(tokenizer_folder / "config.json", tmp_path / "tokenizer.json")
    with pytest.raises(DataError, match=r"tokenizer\.json: cannot be read"):
        TextTokenizer.from_folder(tmp_path)


def test_ids_are_decoded_to_what_people_read(tokenizer_folder: Path) -> None:
    tokenizer = TextTokenizer.from_folder(tokenizer_folder)
    [ids] = tokenizer.encode_batch(["Seven unbelievable numbers"], 512)
    assert tokenizer.decode(ids) == "seven unbelievable numbers"
    assert tokenizer.decode([]) == ""
