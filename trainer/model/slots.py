"""Label slots: which labels stand in the model's input, in which state, and how they become vectors."""

from dataclasses import dataclass

from torch import Tensor, nn

from ..data import State


@dataclass(frozen=True)
class Slots:
    """Slots of B records.

    Where all records have the same slots, the rows may be there once: [1, C, E + 2].

    Attributes:
        ids_BC: int64 label ids; -1: an empty slot.
        rows_BCX: Rows of the label table, E + 2 = X columns.
        states_BC: What each slot shows, see `State`.
    """

    ids_BC: Tensor
    rows_BCX: Tensor
    states_BC: Tensor

    @property
    def mask_BC(self) -> Tensor:
        """Which slots hold a label."""
        return self.ids_BC >= 0

    @property
    def vectors_BCE(self) -> Tensor:
        """The labels' vectors, without the two biases."""
        return self.rows_BCX[..., :-2]

    @property
    def cloze_bias_BC(self) -> Tensor:
        """The labels' bias in the cloze."""
        return self.rows_BCX[..., -1]

    def first(self, k: int) -> "Slots":
        """Keep the first k slots."""
        return Slots(self.ids_BC[:, :k], self.rows_BCX[:, :k], self.states_BC[:, :k])

    def chunks(self, size: int) -> "list[Slots]":
        """Cut along the slots; the last chunk may be shorter."""
        parts = (tensor.split(size, dim=1) for tensor in (self.ids_BC, self.rows_BCX, self.states_BC))
        return [Slots(*part) for part in zip(*parts, strict=True)]


class SlotEmbedding(nn.Module):
    """Label vector (projected from E to I where they differ) + state embedding; the encoder adds position and type."""

    def __init__(self, label_width: int, embedding_width: int) -> None:
        super().__init__()
        same = label_width == embedding_width
        self.project = nn.Identity() if same else nn.Linear(label_width, embedding_width, bias=False)
        self.states = nn.Embedding(len(State), embedding_width)
        nn.init.normal_(self.states.weight, std=0.02)

    def forward(self, slots: Slots) -> Tensor:
        """Return [B, C, I]."""
        return self.project(slots.vectors_BCE) + self.states(slots.states_BC)


class SlotReadout(nn.Module):
    """From a slot's final hidden state to the logit of its own label.

    A cloze that is alone would learn nothing from zeros but how frequent labels are, for hundreds of steps.

    Args:
        width: D.
        label_width: E.
        silent: Whether the last layer starts at zero, so that training begins with the scan's ranking and the cloze
            only adds to it.
    """

    def __init__(self, width: int, label_width: int, *, silent: bool) -> None:
        super().__init__()
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.output = nn.Linear(width, label_width)
        if silent:
            nn.init.zeros_(self.output.weight)
            nn.init.zeros_(self.output.bias)

    def forward(self, hidden_BCD: Tensor, slots: Slots) -> Tensor:
        """Return logits [B, C]."""
        answer_BCE = self.output(self.transform(hidden_BCD))
        return (answer_BCE * slots.vectors_BCE).sum(dim=-1) + slots.cloze_bias_BC
