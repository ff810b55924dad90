"""The published form against the same sequence put together by hand, and what its places see of each other."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from tests.trainer.model.tiny import FAMILIES, LABEL_WIDTH, PAD, some_texts, tiny_encoder
from trainer.config import ClozeSection, MlmSection, ModelSection
from trainer.data import State, TextBatch
from trainer.errors import ConfigError
from trainer.model import JointModel, Losses, Normaliser, Proposal, Slots, load_encoder
from trainer.model.joint import text_room

MLM_WEIGHT = 0.5
NORMALISER = Normaliser(records=2, masked_tokens=2, averaged_over=4)
WEIGHTS = [1.0, 1.0, 0.0]  # the last record is padding

# What each of four labels shows, of the three texts.
MASK, YES, NO = State
STATES = [[MASK, YES, MASK, NO], [MASK, MASK, MASK, MASK], [NO, MASK, MASK, MASK]]
TARGETS = [[True, False, False, False], [False, False, False, False], [False, False, True, False]]
NUM_LABELS = len(STATES[0])

TOKENS = pytest.mark.parametrize("tokens", [1, 3])


def joint_model(folder: Path, tokens: int, family: str = "bert") -> JointModel:
    """Build a float64 model whose read-out is not zero."""
    tiny_encoder(family).save_pretrained(folder)
    settings = ModelSection(encoder=folder, label_width=LABEL_WIDTH)
    cloze = ClozeSection(slots="all", attention="joint", label_tokens=tokens)  # type: ignore[arg-type]
    model = JointModel(load_encoder(settings), settings, cloze, MlmSection(weight=MLM_WEIGHT)).double()
    nn.init.normal_(model.readout.output.weight)
    return model


def texts() -> TextBatch:
    """Three texts of 7, 4 and 1 tokens, two of them masked."""
    torch.manual_seed(2)
    batch = some_texts()
    return replace(batch, ids_BT=batch.ids_BT.masked_fill(batch.masked_BT, 4), weights_B=torch.tensor(WEIGHTS))


def rows(tokens: int) -> Tensor:
    """Draw a row for each label: a vector, or one for its start and one for its end; and the two biases."""
    torch.manual_seed(3)
    width = LABEL_WIDTH * (2 if tokens == 3 else 1)
    return torch.randn(NUM_LABELS, width + 2, dtype=torch.float64, requires_grad=True)


def slots(rows_LX: Tensor, states: list[list[State]]) -> tuple[Slots, Slots]:
    """Propose slots for all labels as the label side does, and those that are revealed, in another order."""
    states_BL, records = torch.tensor(states), len(states)
    is_shown_BL = states_BL != State.MASK
    ids_BL = torch.arange(NUM_LABELS).repeat(records, 1)
    shown_BL = ids_BL.masked_fill(~is_shown_BL, -1)
    masked = Slots(ids_BL.masked_fill(is_shown_BL, -1), rows_LX[None], torch.full_like(ids_BL, MASK))
    return masked, Slots(shown_BL.flip(1), rows_LX.expand(records, -1, -1).flip(1), states_BL.flip(1))


def answer(model: JointModel, batch: TextBatch, rows_LX: Tensor, states: list[list[State]]) -> tuple[Tensor, Tensor]:
    """Return the logits of all labels [B, L] and the hidden states of the texts [B, T, D]."""
    return model._answer(batch, *slots(rows_LX, states))


def losses_of(model: JointModel, batch: TextBatch, rows_LX: Tensor) -> Losses:
    masked, revealed = slots(rows_LX, STATES)
    scores_BL = torch.zeros(masked.ids_BC.shape).masked_fill(~masked.mask_BC, -torch.inf)
    proposal = Proposal(
        masked=masked,
        scores_BK=scores_BL,
        targets_BK=torch.tensor(TARGETS),
        revealed=revealed,
        recalled=torch.zeros(()),
        findable=torch.zeros(()),
        loss=torch.zeros(()),
        query_gradient_BE=torch.zeros(len(TARGETS), 0),
    )
    losses, _ = model(batch, SimpleNamespace(propose=lambda _: proposal), NORMALISER, lambda _: nullcontext())
    return losses


def label_by_hand(model: JointModel, tokens: int, row_X: Tensor, state: State) -> Tensor:
    """Return the tokens of one label [1 or 3, D]."""
    start_D, state_D = model.slots.project(row_X[:LABEL_WIDTH]), model.slots.states.weight[state]
    if tokens == 1:
        return (start_D + state_D)[None]
    return torch.stack([start_D, state_D, model.slots.project(row_X[LABEL_WIDTH:-2])])


def places_by_hand(family: str, size: int, length: int) -> dict[str, Tensor]:
    """Name position and type of every place; RoBERTa's positions start behind the padding index."""
    first = PAD + 1 if family == "roberta" else 0
    types = {"token_type_ids": (torch.arange(length) < size).long()[None]} if family == "bert" else {}
    return {"position_ids": torch.arange(first, first + length)[None], **types}


def mask_by_hand(family: str, is_hidden_BS: Tensor) -> Tensor | dict[str, Tensor]:
    """Let every place see every other but padding, in each kind of layer."""
    hidden_B1SS = is_hidden_BS[:, None, None, :].expand(-1, -1, is_hidden_BS.shape[1], -1)
    if family == "modernbert":
        return dict.fromkeys(("full_attention", "sliding_attention"), ~hidden_B1SS)
    return torch.zeros(hidden_B1SS.shape, dtype=torch.float64).masked_fill(hidden_B1SS, -torch.inf)


def by_hand(model: JointModel, family: str, tokens: int, batch: TextBatch, rows_LX: Tensor) -> tuple[Tensor, Tensor]:
    """Put labels and texts together and run Hugging Face's own attention over them."""
    encoder = model.encoder.model
    # Eager attention shares no code with ours, but ModernBERT's takes the softmax in fp32.
    encoder.set_attn_implementation("sdpa" if family == "modernbert" else "eager")
    blocks = [
        torch.cat([label_by_hand(model, tokens, row_X, state) for row_X, state in zip(rows_LX, states, strict=True)])
        for states in STATES
    ]
    embeddings_BSD = torch.cat([torch.stack(blocks), encoder.get_input_embeddings()(batch.ids_BT)], dim=1)
    size, length = tokens * NUM_LABELS, embeddings_BSD.shape[1]
    mask = mask_by_hand(family, torch.cat([torch.zeros(len(STATES), size).bool(), ~batch.mask_BT], dim=1))
    places = places_by_hand(family, size, length)
    hidden_BSD = encoder(inputs_embeds=embeddings_BSD, attention_mask=mask, **places).last_hidden_state
    answers_BLE = model.readout.output(model.readout.transform(hidden_BSD[:, tokens // 2 : size : tokens]))
    logits = [answers_BLE[:, label] @ row_X[:LABEL_WIDTH] + row_X[-1] for label, row_X in enumerate(rows_LX)]
    return torch.stack(logits, dim=1), hidden_BSD[:, size:]


def total_by_hand(model: JointModel, batch: TextBatch, logits_BL: Tensor, hidden_BTD: Tensor) -> Tensor:
    """Sum over masked labels of real records, and over masked tokens."""
    counts_BL = (torch.tensor(STATES) == State.MASK) * torch.tensor(WEIGHTS)[:, None]
    targets_BL = torch.tensor(TARGETS).to(logits_BL)
    cloze = (binary_cross_entropy_with_logits(logits_BL, targets_BL, reduction="none") * counts_BL).sum()
    assert model.mlm is not None
    mlm = cross_entropy(model.mlm(hidden_BTD[batch.masked_BT]), batch.originals_BT[batch.masked_BT])
    return (cloze / NORMALISER.records + MLM_WEIGHT * mlm) * NORMALISER.averaged_over


@TOKENS
@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert"])
def test_labels_and_text_are_one_sequence_put_together_by_hand(tmp_path: Path, family: str, tokens: int) -> None:
    model, batch, rows_LX = joint_model(tmp_path, tokens, family), texts(), rows(tokens)
    leaves = {"rows": rows_LX} | dict(model.named_parameters())
    logits_BL, hidden_BTD = answer(model, batch, rows_LX, STATES)
    total = losses_of(model, batch, rows_LX).total
    gradients = torch.autograd.grad(total, list(leaves.values()))

    wanted_BL, wanted_BTD = by_hand(model, family, tokens, batch, rows_LX)
    wanted = total_by_hand(model, batch, wanted_BL, wanted_BTD)
    # float64: what is left is rounding.
    torch.testing.assert_close(logits_BL, wanted_BL, rtol=0, atol=1e-10)
    torch.testing.assert_close(hidden_BTD[batch.mask_BT], wanted_BTD[batch.mask_BT], rtol=0, atol=1e-10)
    torch.testing.assert_close(total, wanted, rtol=0, atol=1e-10)
    for name, found, other in zip(leaves, gradients, torch.autograd.grad(wanted, list(leaves.values())), strict=True):
        torch.testing.assert_close(found, other, rtol=0, atol=1e-10, msg=name)


@TOKENS
def test_a_label_has_one_logit_and_a_text_its_own_hidden_states(tmp_path: Path, tokens: int) -> None:
    model, batch, rows_LX = joint_model(tmp_path, tokens), texts(), rows(tokens)
    logits_BL, hidden_BTD = answer(model, batch, rows_LX, STATES)
    assert logits_BL.shape == (3, NUM_LABELS)
    assert hidden_BTD.shape == (3, 7, model.encoder.width)
    assert torch.equal(model.fill(model.read(batch), *slots(rows_LX, STATES)), logits_BL)


@TOKENS
def test_what_one_label_shows_reaches_other_labels_the_text_and_its_masked_tokens(tmp_path: Path, tokens: int) -> None:
    model, batch, rows_LX = joint_model(tmp_path, tokens), texts(), rows(tokens)
    assert model.mlm is not None
    changed = [[MASK, NO, MASK, NO], *STATES[1:]]  # the second label of the first record
    (logits_BL, hidden_BTD), (others_BL, others_BTD) = (
        answer(model, batch, rows_LX, states) for states in (STATES, changed)
    )
    tokens_MV, others_MV = (model.mlm(hidden[batch.masked_BT]) for hidden in (hidden_BTD, others_BTD))
    assert moved(logits_BL, others_BL) == [[True] * NUM_LABELS, [False] * NUM_LABELS, [False] * NUM_LABELS]
    assert moved(hidden_BTD[..., 0], others_BTD[..., 0])[0] == [True] * 7
    assert [any(token) for token in moved(tokens_MV, others_MV)] == [True, False]  # one is of the second record


@TOKENS
def test_every_token_of_a_text_reaches_every_label_and_padding_reaches_none(tmp_path: Path, tokens: int) -> None:
    model, batch, rows_LX = joint_model(tmp_path, tokens), texts(), rows(tokens)
    logits_BL, _ = answer(model, batch, rows_LX, STATES)
    for column in range(batch.ids_BT.shape[1]):
        ids_BT = batch.ids_BT.clone()
        ids_BT[:, column] = 3
        others_BL, _ = answer(model, replace(batch, ids_BT=ids_BT), rows_LX, STATES)
        assert moved(logits_BL, others_BL) == [[real] * NUM_LABELS for real in batch.mask_BT[:, column].tolist()]


def moved(before: Tensor, after: Tensor) -> list[list[bool]]:
    return ((before - after).abs() > 1e-6).tolist()


@TOKENS
def test_the_loss_leaves_out_revealed_labels_and_padding_records(tmp_path: Path, tokens: int) -> None:
    model, batch, rows_LX = joint_model(tmp_path, tokens), texts(), rows(tokens)
    logits_BL, _ = answer(model, batch, rows_LX, STATES)
    shown = [(0, 1), (0, 3)]  # by record and label
    asked = [(record, label) for record in (0, 1) for label in range(NUM_LABELS) if (record, label) not in shown]
    wanted = sum(
        binary_cross_entropy_with_logits(logits_BL[place], torch.tensor(TARGETS)[place].to(logits_BL)).item()
        for place in asked
    )
    assert losses_of(model, batch, rows_LX).cloze.item() == pytest.approx(wanted / NORMALISER.records, rel=1e-12)


@TOKENS
@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_takes_part_in_every_micro_step(tmp_path: Path, family: str, tokens: int) -> None:
    model, batch = joint_model(tmp_path, tokens, family), texts()
    for micro_batch in (batch, replace(batch, masked_BT=torch.zeros_like(batch.masked_BT))):
        model.zero_grad()
        losses_of(model, micro_batch, rows(tokens)).total.backward()
        assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize(("family", "labels", "room"), [("bert", 8, 32), ("bert", 5, 35), ("roberta", 6, 32)])
def test_labels_and_text_fill_the_positions_of_the_encoder(tmp_path: Path, family: str, labels: int, room: int) -> None:
    model = joint_model(tmp_path, 1, family)
    assert text_room(model.encoder, labels, 1) == room
    for length, fits in ((room, True), (room + 1, False)):
        words_BSD = torch.zeros(1, labels + length, model.encoder.embedding_width, dtype=torch.float64)
        with nullcontext() if fits else pytest.raises((IndexError, RuntimeError)):
            model.encoder.read_joint(words_BSD, torch.ones(1, labels + length, dtype=torch.bool), labels)


@pytest.mark.parametrize(
    ("labels", "tokens", "words"),
    [
        (9, 1, "9 labels of 1 tokens leave 31 of the encoder's 40 positions"),
        (3, 3, "3 labels of 3 tokens leave 31 of the encoder's 40 positions"),
        (20, 3, "20 labels of 3 tokens leave 0 of the encoder's 40 positions"),
    ],
)
def test_labels_that_leave_too_little_room_for_a_text_are_refused(
    tmp_path: Path, labels: int, tokens: int, words: str
) -> None:
    encoder = joint_model(tmp_path, 1).encoder
    with pytest.raises(ConfigError) as caught:
        text_room(encoder, labels, tokens)
    assert str(caught.value) == f"cloze.attention = 'joint': {words} for a text, which needs 32: use 'prefix'"
