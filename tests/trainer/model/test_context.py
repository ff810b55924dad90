"""Revealed labels that are read before the scan, against one sequence of text and labels under a hand-made mask."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.trainer.model.tiny import (
    FAMILIES,
    LABEL_WIDTH,
    PAD,
    WIDTH,
    WINDOW,
    some_slots,
    some_texts,
    tiny_model,
    weighted,
)
from trainer.data import State, TextBatch
from trainer.model import LabelMaskModel, Normaliser, Proposal, Slots
from trainer.model.label_mask import LabelContext

REVEALED = [[3, 8], [-1, -1], [2, -1]]
STATES = torch.tensor([[State.YES, State.NO], [State.MASK, State.MASK], [State.NO, State.MASK]])
BEHIND_PADDING = ("roberta", "xlm-roberta")  # their first position is the one behind the padding index
TYPED = ("albert", "bert", "electra", "nomic_bert")  # labels are of token type 1
TEXT = 7  # tokens of the longest text

Form = Literal["joint", "prefix"]
FORMS: tuple[Form, ...] = ("joint", "prefix")

# float64 throughout: what is left is rounding.
EXACT: dict[str, Any] = {"rtol": 0, "atol": 1e-10}


def awake(folder: Path, form: Form, family: str = "bert") -> LabelMaskModel:
    """Build a float64 model whose read-out is not zero; twice the same arguments make twice the same model."""
    torch.manual_seed(1)
    model = tiny_model(folder, family=family, cloze={"context": form, "slots": "none"}).double()
    nn.init.normal_(context_of(model).output.weight)
    return model


def context_of(model: LabelMaskModel) -> LabelContext:
    assert model.context is not None
    return model.context


def revealed() -> Slots:
    return replace(some_slots(REVEALED, State.YES), states_BC=STATES)


def take(slots: Slots, columns: list[int]) -> Slots:
    return Slots(slots.ids_BC[:, columns], slots.rows_BCX[:, columns], slots.states_BC[:, columns])


def sees(query: int, key: int, last: int, window: int | None) -> bool:
    """State who sees whom in a sequence of text, labels and, at its end, the query slot."""
    if key == last:
        return query == last
    return window is None or max(query, key) >= TEXT or abs(query - key) <= window


def one_sequence(model: LabelMaskModel, batch: TextBatch, labels_BCI: Tensor, mask_BC: Tensor) -> Tensor:
    """Run text and labels through transformers' own attention: hidden states [B, T + C, D]."""
    encoder = model.encoder.model
    family = encoder.config.model_type
    # Eager attention shares no code with ours, but these two take its softmax in fp32.
    encoder.set_attn_implementation("sdpa" if family in ("eurobert", "modernbert") else "eager")
    embeddings = torch.cat([encoder.get_input_embeddings()(batch.ids_BT), labels_BCI], dim=1)
    first = PAD + 1 if family in BEHIND_PADDING else 0
    places = torch.arange(TEXT).expand_as(batch.ids_BT)
    places = torch.where(batch.mask_BT, places + first, PAD) if family in BEHIND_PADDING else places
    label_places = torch.full(mask_BC.shape, first + 1)
    options = {"position_ids": torch.cat([places, label_places], dim=1)}
    if family in TYPED:
        options["token_type_ids"] = torch.cat([torch.zeros_like(places), torch.ones_like(label_places)], dim=1)
    real_BS = torch.cat([batch.mask_BT, mask_BC], dim=1)
    every = range(real_BS.shape[1])
    far, near = (
        torch.tensor([[sees(query, key, every[-1], window) for key in every] for query in every])
        & real_BS[:, None, None, :]
        for window in (None, WINDOW // 2)
    )
    added = torch.zeros(far.shape, dtype=torch.float64).masked_fill(~far, -torch.inf)
    mask = {"full_attention": far, "sliding_attention": near} if family == "modernbert" else added
    return encoder(inputs_embeds=embeddings, attention_mask=mask, **options).last_hidden_state


@pytest.mark.parametrize("family", FAMILIES)
def test_text_and_labels_are_one_block_masked_sequence(tmp_path: Path, family: str) -> None:
    model, reference = awake(tmp_path, "joint", family), awake(tmp_path, "joint", family)
    batch, shown = some_texts(), revealed()
    copy = replace(shown, rows_BCX=shown.rows_BCX.detach().requires_grad_())

    labels_BCI, mask_BC = context_of(model).embed(shown)
    hidden_BSD, prefix = model.encoder.read_with(batch.ids_BT, batch.mask_BT, labels_BCI, mask_BC)
    wanted_BSD = one_sequence(reference, batch, context_of(reference).embed(copy)[0], mask_BC)
    real_BS = torch.cat([batch.mask_BT, mask_BC], dim=1)
    torch.testing.assert_close(hidden_BSD[real_BS], wanted_BSD[real_BS], **EXACT)
    assert prefix.mask_BP.tolist() == [[*own[:-1], False] for own in real_BS.tolist()]  # nobody sees the query slot

    text = model.read(batch, shown)
    assert reference.query is not None
    wanted_BE = reference.query(wanted_BSD[:, :TEXT], batch.mask_BT)
    wanted_BE = wanted_BE + context_of(reference).read_out(wanted_BSD[:, -1], copy)
    torch.testing.assert_close(text.query_BE, wanted_BE, **EXACT)

    (weighted(text.query_BE) + weighted(text.hidden_BTD[batch.mask_BT])).backward()
    (weighted(wanted_BE) + weighted(wanted_BSD[:, :TEXT][batch.mask_BT])).backward()
    wanted = dict(reference.named_parameters())
    for name, parameter in model.named_parameters():
        if not name.startswith("mlm."):
            torch.testing.assert_close(parameter.grad, wanted[name].grad, **EXACT, msg=name)
    torch.testing.assert_close(shown.rows_BCX.grad, copy.rows_BCX.grad, **EXACT)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", FORMS)
def test_a_record_that_reveals_nothing_is_read_as_it_is_alone(tmp_path: Path, form: Form, family: str) -> None:
    model, batch = awake(tmp_path, form, family), some_texts()
    alone, together = model.read(batch), model.read(batch, revealed())
    assert batch.mask_BT[1].sum() == 4
    torch.testing.assert_close(together.query_BE[1], alone.query_BE[1], **EXACT)
    torch.testing.assert_close(together.hidden_BTD[1, :4], alone.hidden_BTD[1, :4], **EXACT)
    for record in (0, 2):
        assert not torch.allclose(together.query_BE[record], alone.query_BE[record], atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", FORMS)
def test_revealed_labels_are_a_set_and_empty_places_are_none_of_it(tmp_path: Path, form: Form, family: str) -> None:
    model, batch, shown = awake(tmp_path, form, family), some_texts(), revealed()
    empty = Slots(torch.full((3, 3), -1), torch.randn(3, 3, LABEL_WIDTH + 2).double(), torch.full((3, 3), State.YES))
    padded = Slots(
        torch.cat([shown.ids_BC, empty.ids_BC], dim=1),
        torch.cat([shown.rows_BCX, empty.rows_BCX], dim=1),
        torch.cat([shown.states_BC, empty.states_BC], dim=1),
    )
    wanted = model.read(batch, shown)
    for same in (take(shown, [1, 0]), padded, take(padded, [4, 1, 2, 0, 3])):
        found = model.read(batch, same)
        torch.testing.assert_close(found.query_BE, wanted.query_BE, **EXACT)
        torch.testing.assert_close(found.hidden_BTD[batch.mask_BT], wanted.hidden_BTD[batch.mask_BT], **EXACT)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", FORMS)
def test_nobody_but_the_query_slot_itself_sees_it(tmp_path: Path, form: Form, family: str) -> None:
    model, batch = awake(tmp_path, form, family), some_texts()
    labels_BCI, mask_BC = context_of(model).embed(revealed())

    def run(labels_BCI: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the states of all real tokens before the query slot, its own, and those of a slot behind it."""
        if form == "joint":
            hidden_BSD, prefix = model.encoder.read_with(batch.ids_BT, batch.mask_BT, labels_BCI, mask_BC)
            real_BS = torch.cat([batch.mask_BT, mask_BC], dim=1)
        else:
            _, text = model.encoder.read(batch.ids_BT, batch.mask_BT)
            hidden_BSD, prefix = model.encoder.extend(text, labels_BCI, mask_BC, query_slot=True)
            real_BS = mask_BC
        behind_B1D, _ = model.encoder.extend(prefix, torch.ones_like(labels_BCI[:, :1]), mask_BC[:, -1:])
        return hidden_BSD[:, :-1][real_BS[:, :-1]], hidden_BSD[:, -1], behind_B1D

    changed_BCI = labels_BCI.clone()
    changed_BCI[:, -1] += torch.randn(labels_BCI.shape[-1]).double()
    (others, own, behind), (same_others, other_own, same_behind) = run(labels_BCI), run(changed_BCI)
    torch.testing.assert_close(same_others, others, **EXACT)
    torch.testing.assert_close(same_behind, behind, **EXACT)
    assert bool(((other_own - own).abs().amax(dim=1) > 1e-3).all())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", FORMS)
def test_the_text_sees_revealed_labels_where_they_are_read_jointly(tmp_path: Path, form: Form, family: str) -> None:
    model, batch = awake(tmp_path, form, family), some_texts()
    alone_BTD, together_BTD = model.read(batch).hidden_BTD, model.read(batch, revealed()).hidden_BTD
    changed_BT = (together_BTD - alone_BTD).abs().amax(dim=2) > 1e-6
    is_told_B1 = torch.tensor([[True], [False], [True]])
    assert torch.equal(changed_BT & batch.mask_BT, is_told_B1 & batch.mask_BT & (form == "joint"))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", FORMS)
def test_a_label_that_is_denied_is_read_otherwise_than_one_that_is_affirmed(
    tmp_path: Path, form: Form, family: str
) -> None:
    model, batch, yes = awake(tmp_path, form, family), some_texts(), some_slots([[3], [5], [3]], State.YES)
    no = replace(yes, states_BC=torch.full_like(yes.states_BC, State.NO))
    differences_BE = (model.read(batch, yes).query_BE - model.read(batch, no).query_BE).abs()
    assert bool((differences_BE.amax(dim=1) > 1e-3).all())


def test_a_local_window_hides_no_label_and_still_hides_what_is_far_away_in_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES["modernbert"], "layer_types", ["sliding_attention"] * 2)
    model, batch = awake(tmp_path, "joint", "modernbert"), some_texts()
    far = replace(batch, ids_BT=batch.ids_BT.clone())
    far.ids_BT[0, 0] = batch.ids_BT[0, 0] % 40 + 5  # another word
    nothing, label = some_slots([[-1]] * 3, State.YES), some_slots([[3]] * 3, State.YES)
    other = replace(label, rows_BCX=label.rows_BCX + 1)

    def changed(one: tuple[TextBatch, Slots], two: tuple[TextBatch, Slots]) -> list[bool]:
        """Tell which tokens of the first text are read otherwise."""
        first_TD, second_TD = (model.read(*each).hidden_BTD[0] for each in (one, two))
        return ((first_TD - second_TD).abs().amax(dim=1) > 1e-9).tolist()

    # A window of one token on either side, twice.
    assert changed((batch, nothing), (far, nothing)) == [True] * 3 + [False] * 4
    assert changed((batch, label), (batch, other)) == [True] * 7
    assert changed((batch, label), (far, label)) == [True] * 7  # by way of the label


@pytest.mark.parametrize("ridge", [1e-2, 3.0])
def test_labels_begin_where_a_ridge_regression_puts_the_words_of_their_texts(ridge: float) -> None:
    generator = np.random.default_rng(0)
    rows, words = generator.normal(size=(30, 4)), generator.normal(size=(30, 6))
    context, mask_I = LabelContext(WIDTH, 4, 6), torch.randn(6)
    states = context.states.weight.detach().clone()
    context.start(torch.from_numpy(rows).float(), torch.from_numpy(words).float(), mask_I, ridge)
    design = np.append(rows, np.ones((30, 1)), axis=1)
    augmented = np.append(design, ridge**0.5 * np.eye(5), axis=0)
    solved, *_ = np.linalg.lstsq(augmented, np.append(words, np.zeros((5, 6)), axis=0))
    # Rows and words were rounded to fp32.
    assert context.project.weight.detach().numpy() == pytest.approx(solved[:-1].T, rel=1e-4, abs=1e-5)
    assert context.project.bias.detach().numpy() == pytest.approx(solved[-1], rel=1e-4, abs=1e-5)
    assert torch.equal(context.states.weight[State.MASK], states[State.MASK] + mask_I)
    assert torch.equal(context.states.weight[[State.YES, State.NO]], states[[State.YES, State.NO]])


def test_a_new_read_out_adds_nothing_to_the_query_of_the_text(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = tiny_model(tmp_path, cloze={"context": "prefix", "slots": "none"}).double()
    batch = some_texts()
    assert torch.equal(model.read(batch, revealed()).query_BE, model.read(batch).query_BE)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_those_of_finite_differences(tmp_path: Path, form: Form) -> None:
    model, batch, shown = awake(tmp_path, form), some_texts(), revealed()
    rows_BCX = shown.rows_BCX.detach().requires_grad_()
    parts = {"rows": rows_BCX, **dict(context_of(model).named_parameters())}
    assert len(parts) == 1 + 2 + 1 + 4 + 2  # project, states, transform, output

    def loss() -> Tensor:
        return weighted(model.read(batch, replace(shown, rows_BCX=rows_BCX)).query_BE)

    gradients = torch.autograd.grad(loss(), list(parts.values()))
    for (name, part), gradient in zip(parts.items(), gradients, strict=True):
        assert along(loss, part, gradient) == pytest.approx(float(gradient.norm()), rel=1e-6), name


@torch.no_grad()
def along(loss: Callable[[], Tensor], part: Tensor, gradient: Tensor, step: float = 1e-5) -> float:
    """Measure the slope along the gradient; it errs by the square of the step, and by rounding over the step."""
    direction, losses = gradient / gradient.norm(), []
    for sign in (1, -1):
        part += sign * step * direction
        losses.append(float(loss()))
        part -= sign * step * direction
    return (losses[0] - losses[1]) / (2 * step)


@pytest.mark.parametrize("form", FORMS)
def test_every_parameter_takes_part_also_where_nothing_is_revealed(tmp_path: Path, form: Form) -> None:
    model = tiny_model(tmp_path, cloze={"context": form, "slots": "none"})
    empty = {"revealed_BV": torch.full((3, 1), -1), "revealed_states_BV": torch.full((3, 1), State.YES)}
    batch = replace(some_texts(), **empty)  # as masking.py pads
    losses, _ = model(batch, _NothingRevealed(), Normaliser(3, 2, 1), lambda _: nullcontext())
    losses.total.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


class _NothingRevealed:
    """A label side that lends empty places and proposes nothing."""

    def look_up(self, batch: TextBatch) -> Slots:
        rows_BVX = torch.zeros(*batch.revealed_BV.shape, LABEL_WIDTH + 2).requires_grad_()
        return Slots(batch.revealed_BV, rows_BVX, batch.revealed_states_BV)

    def propose(self, query_BE: Tensor) -> Proposal:
        nothing = Slots(torch.empty(3, 0).long(), torch.empty(3, 0, LABEL_WIDTH + 2), torch.empty(3, 0).long())
        zero = torch.zeros(())
        return Proposal(
            masked=nothing,
            scores_BK=torch.empty(3, 0),
            targets_BK=torch.empty(3, 0),
            revealed=nothing,
            recalled=zero,
            findable=zero,
            loss=zero,
            query_gradient_BE=torch.ones_like(query_BE),
        )
