"""Label slots over a shared prefix against one sequence of text and slots under a hand-made mask."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.trainer.model.tiny import FAMILIES, PAD, WINDOW, some_slots, some_texts, tiny_model, weighted
from trainer.data import State, TextBatch
from trainer.model import LabelMaskModel, Slots, prefix

REVEALED = [[3, 8], [-1, -1], [2, -1]]
MASKED = [[1, 4, 6, 7, 0], [5, 2, 1, 0, 9], [8, 4, 3, -1, -1]]
BEHIND_PADDING = ("roberta", "xlm-roberta")  # their first position is the one behind the padding index
TYPED = ("albert", "bert", "electra", "nomic_bert")  # slots are of token type 1


def awake(folder: Path, family: str, chunk: int) -> LabelMaskModel:
    """Build a float64 model whose read-out is not zero; twice the same arguments make twice the same model."""
    torch.manual_seed(1)
    model = tiny_model(folder, family=family, cloze={"chunk": chunk}).double()
    assert model.readout is not None
    nn.init.normal_(model.readout.output.weight)
    return model


def visible(batch: TextBatch, revealed: Slots, masked: Slots, chunk: int, window: int | None) -> Tensor:
    """State who sees whom, place by place: bool [B, 1, S, S]; texts see texts no further than `window` away."""
    real_BS = torch.cat([batch.mask_BT, revealed.mask_BC, masked.mask_BC], dim=1)
    texts, shown = batch.mask_BT.shape[1], batch.mask_BT.shape[1] + revealed.mask_BC.shape[1]

    def sees(query: int, key: int) -> bool:
        if key < texts:
            return query >= texts or window is None or abs(query - key) <= window
        if key < shown:
            return query >= texts
        return query >= shown and (query - shown) // chunk == (key - shown) // chunk

    places = range(real_BS.shape[1])
    structure_SS = torch.tensor([[sees(query, key) for key in places] for query in places])
    return (structure_SS & real_BS[:, None, :])[:, None]


def one_sequence(
    model: LabelMaskModel, batch: TextBatch, revealed: Slots, masked: Slots, chunk: int
) -> tuple[Tensor, Tensor]:
    """Run text and all slots as one sequence; returns hidden states of the text and cloze logits."""
    encoder = model.encoder.model
    family = encoder.config.model_type
    # Eager attention shares no code with ours, but these two take its softmax in fp32.
    encoder.set_attn_implementation("sdpa" if family in ("eurobert", "modernbert") else "eager")
    assert model.slots is not None
    assert model.readout is not None
    words = encoder.get_input_embeddings()
    embeddings = torch.cat([words(batch.ids_BT), model.slots(revealed), model.slots(masked)], dim=1)
    places = torch.arange(batch.ids_BT.shape[1]).expand_as(batch.ids_BT)
    first = PAD + 1 if family in BEHIND_PADDING else 0
    slot_places = torch.full((len(places), embeddings.shape[1] - places.shape[1]), first + 1)
    # RoBERTa numbers real tokens from behind the padding index, which padding keeps.
    places = torch.where(batch.mask_BT, places + first, PAD) if family in BEHIND_PADDING else places
    options = {"position_ids": torch.cat([places, slot_places], dim=1)}
    if family in TYPED:
        options["token_type_ids"] = torch.cat([torch.zeros_like(places), torch.ones_like(slot_places)], dim=1)
    far, near = (visible(batch, revealed, masked, chunk, window) for window in (None, WINDOW // 2))
    mask = {"full_attention": far, "sliding_attention": near} if family == "modernbert" else _added(far)
    hidden = encoder(inputs_embeds=embeddings, attention_mask=mask, **options).last_hidden_state
    texts = batch.ids_BT.shape[1]
    return hidden[:, :texts], model.readout(hidden[:, -masked.ids_BC.shape[1] :], masked)


def _added(visible_B1SS: Tensor) -> Tensor:
    return torch.zeros(visible_B1SS.shape, dtype=torch.float64).masked_fill(~visible_B1SS, -torch.inf)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("chunk", [1, 3, 5])
@pytest.mark.parametrize("shown", [2, 0])
def test_slots_over_a_prefix_are_slots_in_one_block_masked_sequence(
    tmp_path: Path, family: str, chunk: int, shown: int
) -> None:
    model, reference = awake(tmp_path, family, chunk), awake(tmp_path, family, chunk)
    batch = some_texts()
    slots = [some_slots([ids[:shown] for ids in REVEALED], State.YES), some_slots(MASKED, State.MASK)]
    copies = [Slots(own.ids_BC, own.rows_BCX.detach().requires_grad_(), own.states_BC) for own in slots]

    text = model.read(batch)
    logits_BK = model.fill(text, slots[1], slots[0])
    hidden_BTD, wanted_BK = one_sequence(reference, batch, copies[0], copies[1], chunk)
    texts, masked = batch.mask_BT, slots[1].mask_BC
    # float64: what is left is rounding.
    torch.testing.assert_close(text.hidden_BTD[texts], hidden_BTD[texts], rtol=0, atol=1e-10)
    torch.testing.assert_close(logits_BK[masked], wanted_BK[masked], rtol=0, atol=1e-10)
    with torch.no_grad():
        torch.testing.assert_close(model.fill(text, slots[1], slots[0]), logits_BK)

    (weighted(text.hidden_BTD[texts]) + weighted(logits_BK[masked])).backward()
    (weighted(hidden_BTD[texts]) + weighted(wanted_BK[masked])).backward()
    wanted = dict(reference.named_parameters())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, wanted[name].grad, rtol=0, atol=1e-10, msg=name)
    for own, other in list(zip(slots, copies, strict=True))[0 if shown else 1 :]:
        torch.testing.assert_close(own.rows_BCX.grad, other.rows_BCX.grad, rtol=0, atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_another_kernel_can_take_the_place_of_sdpa(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    model = awake(tmp_path, family, chunk=2)
    batch, revealed, masked = some_texts(), some_slots(REVEALED, State.YES), some_slots(MASKED, State.MASK)
    wanted_BK = model.fill(model.read(batch), masked, revealed)
    calls = []

    def by_hand(
        _: nn.Module, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, *, scaling: float, **__: Any
    ) -> tuple[Tensor, None]:
        calls.append(visible)
        key, value = (heads.repeat_interleave(query.shape[1] // heads.shape[1], dim=1) for heads in (key, value))
        scores = query @ key.mT * scaling
        seen = scores if visible is None else scores.masked_fill(~visible, -torch.inf)
        return (seen.softmax(dim=-1).nan_to_num() @ value).transpose(1, 2), None

    monkeypatch.setattr(prefix, "kernel", by_hand)
    torch.testing.assert_close(model.fill(model.read(batch), masked, revealed), wanted_BK, rtol=0, atol=1e-10)
    assert len(calls) == 2 * (1 + 1 + 3)  # layers x (text + revealed slots + chunks)


@pytest.mark.parametrize("family", FAMILIES)
def test_permuting_the_slots_of_a_chunk_permutes_their_logits(tmp_path: Path, family: str) -> None:
    model = awake(tmp_path, family, chunk=5)
    batch, revealed, masked = some_texts(), some_slots(REVEALED, State.YES), some_slots(MASKED, State.MASK)
    order = torch.tensor([3, 0, 4, 2, 1])
    permuted = Slots(masked.ids_BC[:, order], masked.rows_BCX[:, order], masked.states_BC[:, order])
    text = model.read(batch)
    logits_BK = model.fill(text, masked, revealed)
    torch.testing.assert_close(model.fill(text, permuted, revealed), logits_BK[:, order], rtol=0, atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_slot_shows_reaches_the_others_and_never_the_text(tmp_path: Path, family: str) -> None:
    model = awake(tmp_path, family, chunk=2)
    batch, masked = some_texts(), some_slots(MASKED, State.MASK)
    yes = some_slots([[3], [3], [3]], State.YES)
    no = Slots(yes.ids_BC, yes.rows_BCX, torch.full_like(yes.ids_BC, State.NO))
    text = model.read(batch)
    differences_BK = (model.fill(text, masked, yes) - model.fill(text, masked, no)).abs()
    assert bool((differences_BK[masked.mask_BC] > 1e-6).all())
    torch.testing.assert_close(model.read(batch).hidden_BTD, text.hidden_BTD)
