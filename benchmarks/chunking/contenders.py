"""Three ways to score L label slots beside B texts and take all gradients; the work of each is one forward + backward.

All share encoder, rows, read-out and loss. `ours` is the product's own training path. In `full` and `ours` a slot sees
the text and its chunk, so they compute the same function; in `reencode` the text also sees the slots.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import Tensor

from trainer.data import State, TextBatch
from trainer.losses import slot_loss
from trainer.model import LabelMaskModel, Normaliser, Proposal, Slots

ONE_STEP = Normaliser(1, 1, 1)


@dataclass(frozen=True)
class Task:
    """A model, texts, the label rows [L, X] and who has which label [B, L]."""

    model: LabelMaskModel
    batch: TextBatch
    rows_LX: Tensor
    targets_BL: Tensor
    chunk: int

    def all_slots(self) -> Slots:
        """Give every label a masked slot beside every text."""
        ids_BL = torch.arange(len(self.rows_LX)).expand_as(self.targets_BL)
        return Slots(ids_BL, self.rows_LX[None], torch.full_like(ids_BL, State.MASK))

    def no_slots(self) -> Slots:
        """Reveal nothing."""
        nothing = self.batch.revealed_BV
        return Slots(nothing, self.rows_LX.new_empty(*nothing.shape, self.rows_LX.shape[1]), nothing)

    def loss(self, logits_BC: Tensor, start: int) -> Tensor:
        """Sum over slots from `start` on."""
        targets_BC = self.targets_BL[:, start : start + logits_BC.shape[1]]
        return slot_loss(logits_BC, targets_BC, torch.ones_like(logits_BC))


def ours(task: Task) -> Tensor:
    """Read the text once; chunks look at its keys and values, and each chunk's graph is gone before the next."""
    proposal = Proposal(
        masked=task.all_slots(),
        scores_BK=torch.zeros(task.targets_BL.shape),
        targets_BK=task.targets_BL,
        revealed=task.no_slots(),
        recalled=torch.zeros(()),
        findable=torch.zeros(()),
        loss=torch.zeros(()),
        query_gradient_BE=task.rows_LX.new_empty(len(task.targets_BL), 0),
    )
    losses, _ = task.model(task.batch, SimpleNamespace(propose=lambda _: proposal), ONE_STEP, lambda _: nullcontext())
    losses.total.backward()
    return losses.cloze


def full(task: Task) -> Tensor:
    """Run text and all slots as one sequence, under a mask that shows a slot the text and its chunk."""
    hidden_BSD = _read_together(task, task.all_slots(), _block_mask(task))
    loss = _loss_of_slots(task, hidden_BSD, task.all_slots(), 0)
    loss.backward()
    return loss.detach()


def reencode(task: Task) -> Tensor:
    """Read the text again with every chunk, as a model of 512 positions would have to; one backward a chunk."""
    total = torch.zeros(())
    for index, slots in enumerate(task.all_slots().chunks(task.chunk)):
        loss = _loss_of_slots(task, _read_together(task, slots, None), slots, index * task.chunk)
        loss.backward()
        total += loss.detach()
    return total


CONTENDERS = {"full": full, "reencode": reencode, "ours": ours}


def _read_together(task: Task, slots: Slots, mask_B1SS: Tensor | None) -> Tensor:
    encoder, ids_BT = task.model.encoder.model, task.batch.ids_BT
    assert task.model.slots is not None
    embeddings_BSD = torch.cat([task.model.encoder.word_embeddings(ids_BT), task.model.slots(slots)], dim=1)
    places_BT = torch.arange(ids_BT.shape[1]).expand_as(ids_BT)
    places_BS = torch.cat([places_BT, torch.ones_like(slots.ids_BC)], dim=1)
    types_BS = torch.cat([torch.zeros_like(ids_BT), torch.ones_like(slots.ids_BC)], dim=1)
    inputs = {"position_ids": places_BS, "token_type_ids": types_BS, "attention_mask": mask_B1SS}
    return encoder(inputs_embeds=embeddings_BSD, **inputs).last_hidden_state


def _loss_of_slots(task: Task, hidden_BSD: Tensor, slots: Slots, start: int) -> Tensor:
    assert task.model.readout is not None
    return task.loss(task.model.readout(hidden_BSD[:, task.batch.ids_BT.shape[1] :], slots), start)


def _block_mask(task: Task) -> Tensor:
    texts, labels = task.batch.ids_BT.shape[1], len(task.rows_LX)
    chunk_S = torch.cat([torch.full((texts,), -1), torch.arange(labels) // task.chunk])
    sees_SS = (chunk_S[:, None] == chunk_S) | (chunk_S == -1)
    return sees_SS.expand(len(task.targets_BL), 1, -1, -1)
